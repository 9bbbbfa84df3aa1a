/**
 * Makes .venv, the Python environment of the checks, from python/requirements.txt; does nothing where it is up to date.
 * Where no Python 3.12 is found it says so and the tests name what they skip; in CI that is an error.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { once } from './once.ts';

const ROOT = path.join(import.meta.dirname, '..');
const VENV = path.join(ROOT, '.venv');
const LOCK = path.join(ROOT, 'python/requirements.txt');
const IS_NEW_ENOUGH = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))';

function isNewEnough(python: string): boolean {
  try {
    execFileSync(python, ['-c', IS_NEW_ENOUGH], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function install(python: string): void {
  const bin = path.join(VENV, 'bin');
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  const uv = /^uv==[^ ]+/m.exec(readFileSync(LOCK, 'utf8'))?.[0] ?? 'uv';
  run(python, '-m', 'venv', '--clear', VENV);
  run(path.join(bin, 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', uv);
  run(path.join(bin, 'uv'), 'pip', 'sync', '--quiet', '--python', path.join(bin, 'python'), '--require-hashes', LOCK);
}

const isThere = once(VENV, [LOCK], () => {
  const python = [process.env.PYTHON, 'python3.13', 'python3.12', 'python3'].find((name) => name && isNewEnough(name));
  if (!python) return false;
  console.log('Installing the Python tools of the checks into .venv');
  install(python);
  return true;
});
if (!isThere) {
  console.log('No Python 3.12 or newer with venv was found: the checks of the generated Python and shell are skipped.');
  if (process.env.CI) process.exitCode = 1;
}
