/**
 * Compiles the sources and copies what the generators read at run time beside them: to dist/, which is published, or
 * with `--tests` to build/, tests included.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
/** What Python tools leave behind when they are run inside a template. */
const LITTER = /(^|\/)(__pycache__|\.mypy_cache|\.ruff_cache|\.pytest_cache)(\/|$)/;

const [project, target] = process.argv.includes('--tests')
  ? ['tsconfig.test.json', 'build']
  : ['tsconfig.build.json', 'dist'];

rmSync(path.join(ROOT, target), { recursive: true, force: true });
execFileSync(path.join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], { cwd: ROOT, stdio: 'inherit' });
for (const part of ['generators', 'runtime/src', 'ops/operations', 'ops/inside', 'ops/three-tier']) {
  cpSync(path.join(ROOT, part), path.join(ROOT, target, part), {
    recursive: true,
    filter: (source) => !source.endsWith('.ts') && !LITTER.test(source),
  });
}
chmodSync(path.join(ROOT, target, 'bin/generator-three-tier.js'), 0o755);
