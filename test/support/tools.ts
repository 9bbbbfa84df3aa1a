import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Context } from 'mocha';
import { ROOT } from './generate.ts';

const VENV = path.join(ROOT, '.venv/bin');

export interface Result {
  readonly status: number | null;
  readonly output: string;
}

/** A checker from .venv, or else from the PATH; undefined where neither has it. */
function find(tool: string): string | undefined {
  const own = path.join(VENV, tool);
  if (existsSync(own)) return own;
  return spawnSync('which', [tool], { encoding: 'utf8' }).stdout?.trim() || undefined;
}

/** Runs a checker; its output and exit status. Skips the test where the checker is missing, which CI does not allow. */
export function check(test: Context, tool: string, args: readonly string[], cwd: string): Result {
  const program = find(tool);
  if (!program) {
    if (process.env.CI) throw new Error(`${tool} is missing, and in CI nothing is skipped`);
    console.log(`      skipped: ${tool} was not found`);
    test.skip();
  }
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${VENV}:${process.env.PATH}` },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  return { status, output: stdout + stderr };
}
