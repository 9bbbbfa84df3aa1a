/**
 * Prepares package.json and README.md for being published from the repository that GitHub Actions runs in: which one that
 * is stands nowhere else. npm compares `repository` with the signature of the release, and shows the README's pictures
 * and links only where they are whole addresses. Run in a checkout that is thrown away; another folder may be given.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = process.argv[2] ?? path.join(import.meta.dirname, '..');
const { GITHUB_SERVER_URL = 'https://github.com', GITHUB_REPOSITORY } = process.env;
if (!GITHUB_REPOSITORY) throw new Error('GITHUB_REPOSITORY: not set; it is OWNER/NAME of the repository.');

const manifest = JSON.parse(readFileSync(path.join(FOLDER, 'package.json'), 'utf8'));
const { version } = manifest;
const repository = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
const isInChangelog = readFileSync(path.join(FOLDER, 'CHANGELOG.md'), 'utf8')
  .split('\n')
  .some((line) => line.startsWith(`## ${version} - `));
if (!isInChangelog) throw new Error(`CHANGELOG.md: no section "## ${version} - DATE"; "npm version" makes it.`);

/** Where a file of this version can be seen, or a picture loaded from. */
function address(file: string, isPicture: boolean): string {
  if (!existsSync(path.join(FOLDER, file.replace(/#.*/, '')))) throw new Error(`README.md: there is no ${file}.`);
  return `${repository}/${isPicture ? 'raw' : 'blob'}/v${version}/${file}`;
}

const readme = readFileSync(path.join(FOLDER, 'README.md'), 'utf8')
  .replace(
    /(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)/g,
    (_, mark, text, file) => `${mark}[${text}](${address(file, mark !== '')})`,
  )
  .replace(/<img src="(?!https?:)([^"]+)"/g, (_, file) => `<img src="${address(file, true)}"`);

const author = {
  name: GITHUB_REPOSITORY.split('/')[0],
  url: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY.split('/')[0]}`,
};
const published = {
  ...manifest,
  author,
  homepage: `${repository}#readme`,
  bugs: { url: `${repository}/issues` },
  repository: { type: 'git', url: `git+${repository}.git` },
};
writeFileSync(path.join(FOLDER, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
writeFileSync(path.join(FOLDER, 'README.md'), readme);
