import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isNewer, notesSince } from '../generators/shared/versions.ts';
import { temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';

/** A copy of what a release changes and looks at. */
function checkout(): string {
  const folder = temporaryFolder();
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs']) {
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  return folder;
}

function script(name: string, folder: string, GITHUB_REPOSITORY = '') {
  const tsx = path.join(ROOT, 'node_modules/.bin/tsx');
  const env = { ...process.env, GITHUB_REPOSITORY };
  return spawnSync(tsx, [path.join(ROOT, 'scripts', name), folder], { encoding: 'utf8', env });
}

function read(folder: string, file: string): string {
  return readFileSync(path.join(folder, file), 'utf8');
}

describe('a release', () => {
  it('says what npm asks of the repository that publishes it, and has whole addresses in its README', () => {
    const folder = checkout();
    assert.equal(script('changelog.ts', folder).status, 0);
    const { status, stderr } = script('metadata.ts', folder, 'acme/generator-three-tier');
    assert.equal(status, 0, stderr);
    const { version, repository, homepage, bugs, author } = JSON.parse(read(folder, 'package.json'));
    const url = 'https://github.com/acme/generator-three-tier';
    assert.deepEqual(repository, { type: 'git', url: `git+${url}.git` });
    assert.deepEqual([homepage, bugs.url, author.name], [`${url}#readme`, `${url}/issues`, 'acme']);
    const readme = read(folder, 'README.md');
    const targets = [...readme.matchAll(/\]\(([^)]+)\)|src="([^"]+)"/g)].map(
      ([, link, source]) => link ?? source ?? '',
    );
    assert.ok(targets.length > 10);
    for (const target of targets) assert.match(target, /^https:\/\//);
    const ours = targets.filter((target) => target.startsWith(url)).map((target) => target.split(`/v${version}/`)[1]);
    for (const file of ours) assert.ok(existsSync(path.join(ROOT, file as string)), file);
    assert.ok(readme.includes(`![`) && readme.includes(`(${url}/raw/v${version}/docs/three-tiers.svg)`));
  });

  it('is refused without its section in the changelog, and without a repository', () => {
    const folder = checkout();
    assert.match(script('metadata.ts', folder).stderr, /GITHUB_REPOSITORY: not set/);
    assert.match(script('metadata.ts', folder, 'acme/x').stderr, /CHANGELOG\.md: no section "## [\d.]+ - DATE"/);
    assert.equal(read(folder, 'package.json'), read(ROOT, 'package.json'));
  });

  it('makes its section of what was unreleased, which an update then shows', () => {
    const folder = checkout();
    const manifest = JSON.parse(read(folder, 'package.json'));
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ ...manifest, version: '99.1.0' }));
    assert.equal(script('changelog.ts', folder).status, 0);
    assert.match(read(folder, 'CHANGELOG.md'), /^## 99\.1\.0 - \d{4}-\d\d-\d\d\n\n### Added$/m);
    assert.match(notesSince(read(folder, 'CHANGELOG.md'), '99.0.0'), /^## 99\.1\.0 - /);
    assert.ok(isNewer('99.1.0', '99.0.0'));
    assert.match(script('changelog.ts', folder).stderr, /nothing to release/);
  });
});
