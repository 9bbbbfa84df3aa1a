/**
 * Loaded before a program, kills it at its KILL_AT-th call that changes the file system, before the call does anything;
 * one that writes a file gets half of it onto the disk. Past the last call the program ends by itself.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const CHANGING = ['chmodSync', 'mkdirSync', 'renameSync', 'rmSync', 'rmdirSync', 'writeFileSync'] as const;

const at = Number(process.env.KILL_AT);
/** Only calls that concern this folder count. */
const within = process.env.KILL_WITHIN ?? '';
const write = fs.writeFileSync;
let calls = 0;

for (const name of CHANGING) {
  const original = fs[name] as (...args: unknown[]) => unknown;
  fs[name] = ((...args: unknown[]) => {
    if (String(args[0]).startsWith(within)) calls += 1;
    if (calls !== at) return original(...args);
    if (name === 'writeFileSync') write(args[0] as string, halfOf(args[1] as string | Buffer));
    process.kill(process.pid, 'SIGKILL');
  }) as never;
}
syncBuiltinESMExports();

function halfOf(contents: string | Buffer): string | Buffer {
  return contents.slice(0, contents.length / 2);
}
