import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './support/folders.ts';

const BIN = path.join(import.meta.dirname, '../bin/generator-three-tier.js');
const LOADED = path.join(import.meta.dirname, 'support/loaded.js');

/** The packages that a run of the bin loads modules of. */
function packagesOf(cwd: string, ...words: string[]): Set<string> {
  const list = path.join(temporaryFolder(), 'loaded');
  const { status, stderr } = spawnSync(process.execPath, ['--import', LOADED, BIN, ...words], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, LOADED: list },
  });
  assert.equal(status, 0, stderr);
  const packages = readFileSync(list, 'utf8').matchAll(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/g);
  return new Set([...packages].map(([, name]) => name as string));
}

describe('the command that works without yo', () => {
  it('loads what it needs, and nothing of Yeoman', () => {
    const cwd = temporaryFolder();
    assert.deepEqual([...packagesOf(cwd, 'lyco', '--yes')].sort(), ['diff', 'ejs', 'node-diff3']);
    const again = packagesOf(path.join(cwd, 'agents/lyco'), 'db', '--database', 'redis', '--yes');
    assert.deepEqual([...again].sort(), ['diff', 'ejs', 'node-diff3']);
  });

  it('says where a command belongs that stands after a flag', () => {
    const cwd = temporaryFolder();
    for (const command of ['db', 'update']) {
      const { status, stderr } = spawnSync(process.execPath, [BIN, '--yes', command], { cwd, encoding: 'utf8' });
      assert.equal(status, 1);
      assert.equal(stderr, `✖ "${command}": a command comes first, as in "generator-three-tier ${command} --yes".\n`);
    }
    assert.deepEqual(readdirSync(cwd), []);
  });
});
