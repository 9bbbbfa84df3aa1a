import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';

/**
 * What a staging folder is called: the machine, the process and when it started, and some random digits. A number of a
 * process alone says little: it is used again, and another container that sees the same folder counts its own.
 */
const NAME = /^\.three-tier-staging-(?<machine>[0-9a-f]{16})-(?<pid>[0-9]+)-(?<start>[0-9]+)-[0-9a-f]{8}$/;

/** How long the folder of a process that cannot be seen from here is left alone; a run needs seconds. */
const PATIENCE = 24 * 60 * 60 * 1000; // milliseconds

/** Makes an empty folder in `parent` for files that are to be put in place by a rename, and clears away abandoned ones. */
export function makeStaging(parent: string): string {
  for (const entry of readdirSync(parent)) {
    if (isAbandoned(parent, entry)) clearAway(path.join(parent, entry));
  }
  const { pid } = process;
  const name = `.three-tier-staging-${machine()}-${pid}-${startOf(pid)}-${randomBytes(4).toString('hex')}`;
  const staging = path.join(parent, name);
  mkdirSync(staging);
  return staging;
}

/** Removes an abandoned folder, unless it belongs to another user, who then has to. */
function clearAway(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // it is in nobody's way
  }
}

function isAbandoned(parent: string, entry: string): boolean {
  const parts = NAME.exec(entry)?.groups;
  if (!parts) return false;
  if (parts.machine === machine()) return !isRunning(Number(parts.pid), parts.start as string);
  const stats = statSync(path.join(parent, entry), { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > PATIENCE;
}

/** This machine since it was started, or the container on it: within it a process is told by its number and its start. */
function machine(): string {
  let identity: string;
  try {
    identity = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8') + readlinkSync('/proc/self/ns/pid');
  } catch {
    identity = hostname(); // not Linux
  }
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}

/** When a process started, in ticks of the kernel's clock; 0 where that is not said. */
function startOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' '); // what stands before is the program's name
    return fields[19] ?? '0';
  } catch {
    return '0';
  }
}

function isRunning(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = startOf(pid);
  return found === '0' || found === start;
}
