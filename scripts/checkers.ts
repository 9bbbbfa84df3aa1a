/**
 * Installs into .checkers/ what `npm run check:generated` needs beside .venv: the linters of checkers/linters.txt,
 * Checkov, whose packages do not go together with theirs, and two programs in Go. Does nothing where it is up to date.
 * What cannot be installed is named, and skipped by the checks; in CI that is an error.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { once } from './once.ts';

const ROOT = path.join(import.meta.dirname, '..');
const SOURCES = path.join(ROOT, 'checkers');
const TARGET = path.join(ROOT, '.checkers');
const BIN = path.join(ROOT, '.venv/bin');

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { cwd: SOURCES, stdio: 'inherit' });
}

/** A Python environment from a lock with hashes. */
function python(name: string): boolean {
  const [uv, lock] = [path.join(BIN, 'uv'), path.join(SOURCES, `${name}.txt`)];
  return once(path.join(TARGET, name), [lock], () => {
    if (spawnSync(uv, ['--version']).status !== 0) return false;
    console.log(`Installing checkers/${name}.txt into .checkers/${name}`);
    run(uv, 'venv', '--quiet', '--clear', '--python', path.join(BIN, 'python'), path.join(TARGET, name));
    run(uv, 'pip', 'sync', '--quiet', '--python', path.join(TARGET, name, 'bin/python'), '--require-hashes', lock);
    return true;
  });
}

/** actionlint, and BuildKit's checks of Dockerfiles, whose versions go.mod says and go.sum holds to their hashes. */
function go(): boolean {
  const sources = ['go.mod', 'go.sum', 'main.go'].map((file) => path.join(SOURCES, file));
  return once(path.join(TARGET, 'go'), sources, () => {
    if (spawnSync('go', ['version']).status !== 0) return false;
    console.log('Building actionlint and the checks of Dockerfiles into .checkers/go');
    run('go', 'build', '-o', path.join(TARGET, 'go/bin/buildcheck'), '.');
    run('go', 'build', '-o', path.join(TARGET, 'go/bin/actionlint'), 'github.com/rhysd/actionlint/cmd/actionlint');
    return true;
  });
}

const missing = Object.entries({ linters: python('linters'), checkov: python('checkov'), go: go() })
  .filter(([, isThere]) => !isThere)
  .map(([name]) => name);
if (missing.length > 0) {
  console.log(`Not installed, so skipped: ${missing.join(', ')}. They need .venv (npm test makes it) and Go 1.24.`);
  if (process.env.CI) process.exitCode = 1;
}
