import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { covering, generateAll } from './support/combinations.ts';
import { copyOf, readTree } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { PYTEST } from './support/python.ts';
import { check } from './support/tools.ts';

const CACHE = path.join(ROOT, 'node_modules/.cache/mypy/howto');
/** A block of code whose first line says which file of the project it is. */
const FILE = /^```\w+\n(?:# |-- )((?:agent|interface)\/\S+)\n([\s\S]*?)^```$/gm;

describe('the how-to pages of projects', () => {
  const projects = generateAll();

  it('have examples that work: their files satisfy mypy, and their tests pass', async function () {
    this.timeout(600_000);
    let pages = 0;
    for (const folder of covering(projects, 'docs').map(path.dirname)) {
      for (const [name, page] of readTree(path.join(folder, 'docs'))) {
        const files = [...page.matchAll(FILE)].map(([, file = '', contents = '']) => ({ file, contents }));
        if (files.length === 0) continue;
        pages++;
        const project = copyOf(folder);
        for (const { file, contents } of files) {
          mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
          writeFileSync(path.join(project, file), contents, 'latin1'); // as readTree reads it
        }
        const tier = path.join(project, files[0]?.file.split('/')[0] ?? '');
        const tests = files.map(({ file }) => file).filter((file) => file.includes('/tests/'));
        assert.ok(tests.length > 0, `${name} has no test`);
        const own = files.map(({ file }) => path.relative(tier, path.join(project, file)));
        for (const [tool, ...args] of [
          ['ruff', 'check', '--no-cache', ...own],
          ['ruff', 'format', '--no-cache', '--check', ...own],
          ['mypy', '--cache-dir', CACHE, '.'],
          ['pytest', ...PYTEST, ...own.filter((file) => file.startsWith('tests/'))],
        ] as [string, ...string[]][]) {
          const { status, output } = await check(this, tool, args, tier);
          assert.equal(status, 0, `${name}: ${tool}\n${output}`);
        }
      }
    }
    assert.ok(pages >= 4, `${pages} pages`);
  });

  it('name files that are there, and no others', () => {
    for (const project of projects.values()) {
      const files = readTree(project);
      for (const [name, page] of readTree(path.join(project, 'docs'))) {
        for (const [, link = ''] of page.matchAll(/\]\(([^)#:]+)\)/g)) {
          const target = path.join('docs', path.dirname(name), link);
          assert.ok(files.has(target), `${name} links to ${target}`);
        }
      }
      assert.ok(readFileSync(path.join(project, 'README.md'), 'utf8').includes('docs/howto/'));
    }
  });
});
