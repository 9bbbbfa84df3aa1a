/**
 * Copies the libraries of the web page out of node_modules, with their licences. Their versions are pinned in
 * package.json; to update one: npm install --save-dev --save-exact NAME@VERSION && npm run vendor
 * Another folder to write to may be given; a test compares what is written with what is there.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
const TEMPLATES = path.join(ROOT, 'runtime/src/three_tier/interface/web/static/vendor');
const TARGET = process.argv[2] ?? TEMPLATES;

const LIBRARIES = [
  { package: 'marked', file: 'lib/marked.esm.js', as: 'marked', use: 'Markdown to HTML' },
  { package: 'dompurify', file: 'dist/purify.es.mjs', as: 'purify', use: 'takes out of HTML what is not harmless' },
  { package: '@highlightjs/cdn-assets', file: 'es/highlight.min.js', as: 'highlight', use: 'colours in code' },
];

function read(file: string): string {
  return readFileSync(path.join(ROOT, 'node_modules', file), 'utf8');
}

/** Source maps are not shipped, so browsers need not look for them. */
function withoutSourceMap(script: string): string {
  return `${script.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '').trimEnd()}\n`;
}

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
const versions: Record<string, string> = {};
const rows = LIBRARIES.map((library) => {
  const { version, license } = JSON.parse(read(`${library.package}/package.json`));
  versions[library.package] = version;
  writeFileSync(path.join(TARGET, `${library.as}.js`), withoutSourceMap(read(`${library.package}/${library.file}`)));
  writeFileSync(path.join(TARGET, `${library.as}.LICENSE`), read(`${library.package}/LICENSE`));
  const source = `\`${library.file}\` of \`${library.package}\``;
  return `| \`${library.as}.js\` | ${library.use} | ${source} | ${version} | ${license} |`;
});
// What Dependabot and npm audit read in a project.
writeFileSync(
  path.join(TARGET, 'package.json'),
  `${JSON.stringify({ name: 'libraries-of-the-page', private: true, dependencies: versions }, null, 2)}\n`,
);
writeFileSync(
  path.join(TARGET, 'README.md'),
  `# Libraries of the page

They come from the npm registry and are not edited; each licence stands beside its file. \`package.json\` names their
versions for Dependabot and \`npm audit\`; nothing is installed from it.

| file | what it does | where it is from | version | licence |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

To update one, write its version into \`package.json\`, or merge what Dependabot proposes, and take the file out of that
version; a test compares the two:

\`\`\`sh
npm pack marked@VERSION
tar -xzf marked-*.tgz --to-stdout package/lib/marked.esm.js > marked.js
\`\`\`
`,
);
