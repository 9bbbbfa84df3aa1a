import { execute } from '../test/support/execute.ts';

/** Prints the processor time of the program, exactly: Linux has a clock for every process. */
const CLOCK = `
import pathlib, time
program = b"python\\0main.py\\0"
pid = next(int(p.parent.name) for p in pathlib.Path("/proc").glob("[0-9]*/cmdline") if p.read_bytes() == program)
print(time.clock_gettime(~pid << 3 | 2))
`;

/** Seconds of processor time that the tier in `container` has used since it started. */
export async function cpuSeconds(container: string): Promise<number> {
  const { status, stdout, output } = await execute('/', 'docker', ['exec', container, 'python', '-c', CLOCK]);
  if (status !== 0) throw new Error(output);
  return Number(stdout);
}

/** Nanoseconds by the first version of control groups, microseconds by the second. */
const USAGE = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat';

/** Seconds of processor time that everything in `container` has used since it started, health checks included. */
export async function containerCpuSeconds(container: string): Promise<number> {
  const { status, stdout, output } = await execute('/', 'docker', ['exec', container, 'sh', '-c', USAGE]);
  if (status !== 0) throw new Error(output);
  const micros = /^usage_usec (\d+)$/m.exec(stdout)?.[1];
  return micros ? Number(micros) / 1e6 : Number(stdout) / 1e9;
}
