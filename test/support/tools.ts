import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Context } from 'mocha';
import { execute, type Finished, VENV } from './execute.ts';

/** Runs a checker in a folder. Skips the test where the checker is missing, which CI does not allow. */
export function check(test: Context, tool: string, args: readonly string[], cwd: string): Promise<Finished> {
  const isThere = existsSync(path.join(VENV, tool)) || spawnSync('which', [tool]).status === 0;
  if (!isThere) {
    if (process.env.CI) throw new Error(`${tool} is missing, and in CI nothing is skipped`);
    console.log(`      skipped: ${tool} was not found`);
    test.skip();
  }
  return execute(cwd, tool, args);
}

/** Runs a checker in several folders, `atOnce` at a time: more than there are processors where it waits for most of its time. */
export async function checkEach(
  test: Context,
  tool: string,
  args: (folder: string) => readonly string[],
  folders: readonly string[],
  atOnce = availableParallelism() + 1,
): Promise<ReadonlyMap<string, Finished>> {
  const found = new Map<string, Finished>();
  const queue = [...folders];
  const worker = async () => {
    for (let folder = queue.shift(); folder; folder = queue.shift()) {
      found.set(folder, await check(test, tool, args(folder), folder));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return found;
}
