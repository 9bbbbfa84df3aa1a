import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Stack } from '../test/support/docker.ts';
import { freePorts } from '../test/support/ports.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** Generates a project of the pair, by the package as it was built last, below `folder`, which answers on ports that nobody uses. */
export async function generate(folder: string, database: string, logic: string): Promise<Stack> {
  const name = `bench-${database}-${logic}`;
  const words = [name, '--yes', '--database', database, '--logic', logic, ...(await freePorts())];
  execFileSync(process.execPath, [path.join(ROOT, 'dist/bin/generator-three-tier.js'), ...words], {
    cwd: folder,
    stdio: 'ignore',
  });
  const stack = await Stack.fresh(path.join(folder, 'agents', name));
  stack.configure('LOG_LEVEL=warning');
  return stack;
}
