import { setTimeout as sleep } from 'node:timers/promises';
import { inside } from './cpu.ts';
import { median } from './tables.ts';

const SAMPLES = 5; // of which a health check, which is a program of its own for a moment, meets one at most
const PAUSE = 700; // milliseconds between two

/** In bytes: the programs' own, what they share, and the kernel's for them, by both versions of control groups. */
const USED = `cd /sys/fs/cgroup
if [ -e memory/memory.stat ]; then
  awk '/^total_(rss|shmem) / { used += $2 } END { printf "%.0f\\n", used }' memory/memory.stat
  cat memory/memory.kmem.usage_in_bytes
else
  awk '/^(anon|shmem|kernel) / { used += $2 } END { printf "%.0f\\n", used }' memory.stat
fi`;

/**
 * MiB that a container holds, whatever happens. Files that are cached for it are not counted: how many of them are depends
 * on who read them first, and they make room for anything else.
 */
export async function memoryOf(container: string): Promise<number> {
  const samples: number[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    if (n) await sleep(PAUSE);
    const parts = (await inside(container, 'sh', '-c', USED)).trim().split('\n').map(Number);
    samples.push(parts.reduce((sum, part) => sum + part) / 2 ** 20);
  }
  return median(samples);
}
