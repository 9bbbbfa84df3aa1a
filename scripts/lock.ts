/**
 * Compiles the Python requirements, with hashes: first everything in one environment (python/requirements.txt, which
 * the checks of this repository use), then each tier of each combination, held to the same versions, and at last the
 * checkers of `npm run check:generated`.
 *
 *     npm run lock                  adds what is missing
 *     npm run lock -- --upgrade     takes the newest versions
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { logics } from '../generators/agent/logics/index.ts';
import { agentDevPackages, agentPackages } from '../generators/agent/packages.ts';
import { databases } from '../generators/db/databases/index.ts';
import { interfaces } from '../generators/interface/interfaces/index.ts';
import { interfaceDevPackages, interfacePackages } from '../generators/interface/packages.ts';

const ROOT = path.join(import.meta.dirname, '..');
const PYTHON = '3.12';
const ALL = path.join(ROOT, 'python/requirements.txt');

interface Lock {
  readonly folder: string;
  readonly packages: readonly string[];
  readonly devPackages: readonly string[];
}

const agents: Lock[] = Object.entries(databases).flatMap(([database, { packages, devPackages }]) =>
  Object.entries(logics).map(([logic, kind]) => ({
    folder: `generators/agent/locks/${database}-${logic}/agent`,
    packages: [...agentPackages, ...packages, ...kind.packages],
    devPackages: [...agentDevPackages, ...devPackages, ...kind.devPackages],
  })),
);

const ways: Lock[] = Object.entries(interfaces).map(([id, { packages, devPackages }]) => ({
  folder: `generators/interface/locks/${id}/interface`,
  packages: [...interfacePackages, ...packages],
  devPackages: [...interfaceDevPackages, ...devPackages],
}));

function lines(packages: readonly string[]): string {
  return `${[...new Set(packages)].sort().join('\n')}\n`;
}

function compile(cwd: string, source: string, target: string, ...flags: string[]): void {
  const uv = path.join(ROOT, '.venv/bin/uv');
  const options = ['--universal', '--python-version', PYTHON, '--generate-hashes', '--no-header', '--quiet', ...flags];
  execFileSync(uv, ['pip', 'compile', source, '-o', target, ...options], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function pinned(lock: string): string[] {
  return [...readFileSync(lock, 'utf8').matchAll(/^([a-z0-9-]+)==/gm)].map(([, name]) => name as string);
}

function compileTier({ folder, packages, devPackages }: Lock): void {
  const cwd = path.join(ROOT, folder);
  mkdirSync(cwd, { recursive: true });
  writeFileSync(path.join(cwd, 'requirements.in'), lines(packages));
  writeFileSync(path.join(cwd, 'requirements-dev.in'), `-r requirements.in\n${lines(devPackages)}`);
  compile(cwd, 'requirements.in', 'requirements.txt', '-c', ALL, '--no-annotate');
  const beside = pinned(path.join(cwd, 'requirements.txt')).flatMap((name) => ['--no-emit-package', name]);
  compile(cwd, 'requirements-dev.in', 'requirements-dev.txt', '-c', ALL, '--no-annotate', ...beside);
}

const locks = [...agents, ...ways];
const tools = readFileSync(path.join(ROOT, 'python/tools.in'), 'utf8').trim().split('\n');
const everything = [...tools, ...locks.flatMap(({ packages, devPackages }) => [...packages, ...devPackages])];
writeFileSync(path.join(ROOT, 'python/requirements.in'), lines(everything));
compile(path.join(ROOT, 'python'), 'requirements.in', 'requirements.txt', ...process.argv.slice(2));
for (const lock of locks) compileTier(lock);
for (const name of ['linters', 'checkov']) {
  compile(path.join(ROOT, 'checkers'), `${name}.in`, `${name}.txt`, ...process.argv.slice(2));
}
compile(path.join(ROOT, 'python'), 'schemathesis.in', 'schemathesis.txt', ...process.argv.slice(2));
