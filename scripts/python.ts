/**
 * Makes .venv, the Python environment of the checks, from python/requirements.txt; does nothing where it is up to date.
 * Where there is no Python for it, uv gets one. Where the network does not give that either, it says so and the tests
 * name what they skip; in CI that is an error.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { once } from './once.ts';

const ROOT = path.join(import.meta.dirname, '..');
const VENV = path.join(ROOT, '.venv');
const LOCK = path.join(ROOT, 'python/requirements.txt');
const UV = /^uv==[^ ]+/m.exec(readFileSync(LOCK, 'utf8'))?.[0] ?? 'uv';
/** What is got where the machine has none: the version of the images. */
const VERSION = '3.13';
const BAD_PYTHON = 2;

/** A Python of this machine, or undefined where it has none that is new enough; a bad $PYTHON ends everything. */
function findPython(): string | undefined {
  const { status, stdout, stderr } = spawnSync(path.join(import.meta.dirname, 'find_python.sh'), { encoding: 'utf8' });
  if (status === BAD_PYTHON) {
    console.error(stderr.trim());
    process.exit(1);
  }
  return status === 0 ? stdout.trim() : undefined;
}

/** A Python that uv keeps for this user, got from the network where it must be; undefined where that does not answer. */
function fetchPython(): string | undefined {
  const uv = spawnSync('uv', ['--version']).status === 0 ? 'uv' : installUv();
  if (!uv) return undefined;
  console.log(`Getting Python ${VERSION} by uv`);
  const env = { ...process.env, UV_HTTP_TIMEOUT: '30', UV_HTTP_RETRIES: '1' };
  const { status } = spawnSync(uv, ['python', 'install', '--no-bin', VERSION], { env, stdio: 'inherit' });
  return status === 0 ? findPython() : undefined;
}

/** uv in an environment of its own, for which any Python will do; undefined where there is none. */
function installUv(): string | undefined {
  const folder = path.join(ROOT, 'node_modules/.cache/uv');
  const [python, uv] = ['python', 'uv'].map((program) => path.join(folder, 'bin', program)) as [string, string];
  const steps = [
    ['python3', '-m', 'venv', '--clear', folder],
    [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', UV],
  ] as const;
  return steps.every(([program, ...args]) => spawnSync(program, args).status === 0) ? uv : undefined;
}

/** Whether the environment could be made. */
function install(python: string): boolean {
  console.log('Installing the Python tools of the checks into .venv');
  const bin = path.join(VENV, 'bin');
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  try {
    run(python, '-m', 'venv', '--clear', VENV);
    run(path.join(bin, 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', UV);
    run(path.join(bin, 'uv'), 'pip', 'sync', '--quiet', '--python', path.join(bin, 'python'), '--require-hashes', LOCK);
    return true;
  } catch {
    rmSync(VENV, { recursive: true, force: true }); // half of it would look like all
    return false;
  }
}

const found = process.env.PYTHON ? findPython() : undefined;
// What it was made of may be gone since.
if (spawnSync(path.join(VENV, 'bin/python'), ['-c', '']).status !== 0) rmSync(VENV, { recursive: true, force: true });
const isThere = once(VENV, [LOCK], () => {
  const python = found ?? findPython() ?? fetchPython();
  return python !== undefined && install(python);
});
if (!isThere) {
  console.log('The Python tools of the checks could not be installed, so the checks of Python and shell are skipped.');
  if (process.env.CI) process.exitCode = 1;
}
