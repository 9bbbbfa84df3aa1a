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
export async function generate(
  folder: string,
  bench: string,
  database: string,
  logic: string,
  way = 'api',
): Promise<Stack> {
  const name = `bench-${bench}-${database}-${logic}${way === 'api' ? '' : `-${way}`}`;
  const choices = ['--database', database, '--logic', logic, '--interface', way];
  const words = [name, '--yes', ...choices, ...(await freePorts())];
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
  return inFolder(bench, async (folder) =>
    using(await generate(folder, bench, database, logic), async (stack) => {
      await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
      return work(stack);
    }),
  );
}

/** A folder for the time of `work`. */
export async function inFolder<Result>(bench: string, work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), `bench-${bench}-`));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Removes everything of the stack when `work` has ended: what runs, its data and its images. */
export async function using<Result>(stack: Stack, work: (stack: Stack) => Promise<Result>): Promise<Result> {
  try {
    return await work(stack);
  } finally {
    await stack.remove();
    const label = `label=com.docker.compose.project=${stack.name}`;
    const images = await stack.docker('image', 'ls', '--quiet', '--filter', label);
    if (images) await stack.docker('image', 'rm', '--force', ...new Set(images.split('\n')));
  }
}

/** With what was measured: the agent's Python and the image of the database, whose service is given. */
export async function versionsOf(stack: Stack, service: string): Promise<string> {
  const { stdout } = await stack.inside('agent', ['python', '-V']);
  return `${stdout.trim()}, ${await stack.inspect(service, '{{.Config.Image}}')}`;
}
