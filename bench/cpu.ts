import { execute } from '../test/support/execute.ts';

/** The process id of the program. */
const PID = `
import pathlib, time
program = b"python\\0main.py\\0"
pid = next(int(p.parent.name) for p in pathlib.Path("/proc").glob("[0-9]*/cmdline") if p.read_bytes() == program)
`;
/** Its processor time, exactly: Linux has a clock for every process. */
const CLOCK = `print(time.clock_gettime(~pid << 3 | 2))`;
/** Its resident memory in KiB. */
const RESIDENT = `print(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])`;

/** What a command prints in the container. */
export async function inside(container: string, ...command: string[]): Promise<string> {
  const { status, stdout, output } = await execute('/', 'docker', ['exec', container, ...command]);
  if (status !== 0) throw new Error(output);
  return stdout;
}

async function ask(container: string, question: string): Promise<number> {
  return Number(await inside(container, 'python', '-c', PID + question));
}

/** Seconds of processor time that the tier in `container` has used since it started. */
export function cpuSeconds(container: string): Promise<number> {
  return ask(container, CLOCK);
}

/** MiB of memory that the tier in `container` holds. */
export async function residentMemory(container: string): Promise<number> {
  return (await ask(container, RESIDENT)) / 1024;
}

/** Nanoseconds by the first version of control groups, microseconds by the second. */
const USAGE = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat';

/** Seconds of processor time that everything in `container` has used since it started, health checks included. */
export async function containerCpuSeconds(container: string): Promise<number> {
  const stdout = await inside(container, 'sh', '-c', USAGE);
  const micros = /^usage_usec (\d+)$/m.exec(stdout)?.[1];
  return micros ? Number(micros) / 1e6 : Number(stdout) / 1e9;
}
