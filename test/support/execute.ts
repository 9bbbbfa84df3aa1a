import { spawn } from 'node:child_process';
import path from 'node:path';
import { ROOT } from './generate.ts';

/** The programs of the checks, made by scripts/python.ts. */
export const VENV = path.join(ROOT, '.venv/bin');

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as they came. */
  readonly output: string;
}

/** Runs a program to its end without blocking the tests' own requests. */
export async function execute(cwd: string, program: string, args: readonly string[], input = ''): Promise<Finished> {
  const env = { ...process.env, PATH: `${VENV}:${process.env.PATH}` };
  const child = spawn(program, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr, output] = ['', '', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    output += chunk;
  });
  child.stdin.on('error', () => {}); // the program has ended without reading it
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  return { status, stdout, stderr, output };
}
