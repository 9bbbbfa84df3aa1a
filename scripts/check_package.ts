/** Packs the package, and has publint and "Are the types wrong?" look at what users get. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { COMMANDS } from '../generators/shared/command.ts';

const ROOT = path.join(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(tmpdir(), 'three-tier-'));

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
}

try {
  run('npm', 'pack', '--silent', '--pack-destination', folder);
  const tarball = readdirSync(folder).map((file) => path.join(folder, file))[0] as string;
  const entries = COMMANDS.map((command) => `generators/${command}`);
  run('node_modules/.bin/publint', 'run', tarball, '--strict');
  run('node_modules/.bin/attw', tarball, '--profile', 'esm-only', '--entrypoints', ...entries); // import() works from CommonJS
} finally {
  rmSync(folder, { recursive: true });
}
