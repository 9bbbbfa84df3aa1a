import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Context } from 'mocha';
import { execute, type Finished, VENV } from './execute.ts';
import { noteSkipped } from './skip.ts';

/** Programs of the machine. All others have pinned versions, and one of the PATH never takes their place. */
const OF_MACHINE: ReadonlySet<string> = new Set(['bash', 'docker', 'docker-registry', 'env', 'git', 'gitleaks']);
export const PYTHON = 'PYTHON=/path/to/python3.13 npm test, once there is a Python 3.12 or newer with venv';

/** Runs a checker in a folder. Skips the test where the checker is missing, which CI does not allow. */
export function check(
  test: Context,
  tool: string,
  args: readonly string[],
  cwd: string,
  input = '',
): Promise<Finished> {
  const isPinned = !OF_MACHINE.has(tool);
  const program = isPinned ? path.resolve(VENV, tool) : tool;
  const isThere = isPinned ? existsSync(program) : spawnSync('which', [tool]).status === 0;
  if (!isThere) {
    const isOfVenv = program.startsWith(VENV);
    noteSkipped(path.basename(tool), isOfVenv ? PYTHON : isPinned ? 'npm run check:generated' : `install ${tool}`);
    test.skip();
  }
  return execute(cwd, program, args, input);
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
