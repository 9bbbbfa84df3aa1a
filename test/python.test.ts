import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Context } from 'mocha';
import { temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { check } from './support/tools.ts';

const FINDER = path.join(ROOT, 'scripts/find_python.sh');

/** A program that does as a Python does which is new enough, or which is not. */
function fakePython(file: string, isUsable = true): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, isUsable ? `#!/bin/sh\necho ${file}\n` : '#!/bin/sh\nexit 127\n');
  chmodSync(file, 0o755);
  return file;
}

/** What the finder says on a machine with these variables, whose own Pythons it cannot see. */
function find(variables: Record<string, string>) {
  const tools = temporaryFolder();
  for (const own of ['python', 'python3']) fakePython(path.join(tools, own), false);
  const bash = spawnSync('which', ['bash'], { encoding: 'utf8' }).stdout.trim();
  const env = { HOME: tools, ...variables, PATH: `${variables.PATH ?? tools}:${tools}` };
  const { status, stdout, stderr } = spawnSync(bash, [FINDER], { encoding: 'utf8', env });
  return { status, found: stdout.trim(), stderr };
}

describe('the Python of the checks', () => {
  it('is one of the PATH, however new, but not the shim of one that is not there', () => {
    const bin = temporaryFolder();
    fakePython(path.join(bin, 'python3.13'), false);
    const python = fakePython(path.join(bin, 'python3.19'));
    assert.deepEqual(find({ PATH: bin }), { status: 0, found: python, stderr: '' });
  });

  it('is one of pyenv or of uv where the PATH has none, and best the version of the images', () => {
    const home = temporaryFolder();
    const newer = fakePython(path.join(home, '.pyenv/versions/3.14.2/bin/python3'));
    assert.equal(find({ HOME: home }).found, newer);
    const best = fakePython(path.join(home, '.local/share/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin/python3'));
    assert.equal(find({ HOME: home }).found, best);
  });

  it('is $PYTHON where that is set, and nothing else where that is no such Python', () => {
    const bin = temporaryFolder();
    fakePython(path.join(bin, 'python3.13'));
    const wanted = fakePython(path.join(bin, 'mine'));
    assert.equal(find({ PATH: bin, PYTHON: wanted }).found, wanted);
    const { status, found, stderr } = find({ PATH: bin, PYTHON: '/no/python' });
    assert.deepEqual([status, found], [2, '']);
    assert.match(stderr, /^PYTHON: \/no\/python is no Python 3\.12 or newer with venv; name .*\n$/);
  });

  it('is not there where nobody has one', () => {
    assert.deepEqual(find({}), { status: 1, found: '', stderr: '' });
  });
});

it('a checker is never another version that happens to be on the PATH', () => {
  const bin = temporaryFolder();
  fakePython(path.join(bin, 'not-of-ours'));
  const { PATH, CI } = process.env;
  Object.assign(process.env, { PATH: `${bin}:${PATH}`, CI: 'true' });
  try {
    assert.throws(
      () => check({} as Context, 'not-of-ours', [], bin),
      /^Error: not-of-ours: skipped, and in CI nothing is/,
    );
  } finally {
    process.env.PATH = PATH;
    if (CI === undefined) delete process.env.CI;
    else process.env.CI = CI;
  }
});
