import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Stack } from '../test/support/docker.ts';
import { freePorts } from '../test/support/ports.ts';

const ROOT = path.join(import.meta.dirname, '..');

/**
 * Generates a project of the pair, by the package as it was built last, below `folder`, which answers on ports that nobody
 * uses. It is named after the benchmark, so that two of them can run at once.
 */
export async function generate(folder: string, bench: string, database: string, logic: string): Promise<Stack> {
  const name = `bench-${bench}-${database}-${logic}`;
  const words = [name, '--yes', '--database', database, '--logic', logic, ...(await freePorts())];
  execFileSync(process.execPath, [path.join(ROOT, 'dist/bin/generator-three-tier.js'), ...words], {
    cwd: folder,
    stdio: 'ignore',
  });
  const stack = await Stack.fresh(path.join(folder, 'agents', name));
  stack.configure('LOG_LEVEL=warning');
  return stack;
}

/** Generates a project and starts its agent and database; everything of it is removed when `work` has ended. */
export async function withAgent<Result>(
  bench: string,
  database: string,
  logic: string,
  work: (stack: Stack) => Promise<Result>,
): Promise<Result> {
  console.error(`${database}-${logic} ...`);
  const folder = mkdtempSync(path.join(tmpdir(), `bench-${bench}-`));
  try {
    const stack = await generate(folder, bench, database, logic);
    try {
      await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
      return await work(stack);
    } finally {
      await stack.remove();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** With what was measured: the agent's Python and the image of the database, whose service is given. */
export async function versionsOf(stack: Stack, service: string): Promise<string> {
  const { stdout } = await stack.inside('agent', ['python', '-V']);
  return `${stdout.trim()}, ${await stack.inspect(service, '{{.Config.Image}}')}`;
}
