import type { Stack } from '../support/docker.ts';

/** What the processes of a tier hold. */
export interface Usage {
  /** Megabytes that are theirs alone. */
  readonly memory: number;
  readonly files: number;
  readonly connections: number;
}

/** Kilobytes and open files, a line for each process that no `docker exec` started; then open and half-open sockets. */
const LOOK = `
for process in /proc/[0-9]*; do
  if [ "$process" = /proc/1 ] || ! grep -q '^PPid:.0$' "$process/status"; then
    echo "$(sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\).*/\\1/p' "$process/status") $(ls "$process/fd" | wc -l)"
  fi
done 2>/dev/null
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -c ': [0-9A-F]*:[0-9A-F]* [0-9A-F]*:[0-9A-F]* 0[18] '
`;

export async function usageOf(stack: Stack, tier: string): Promise<Usage> {
  const { stdout, output } = await stack.inside(tier, ['sh', '-c', LOOK]);
  const lines = stdout.trim().split('\n');
  const connections = Number(lines.pop());
  const processes = lines.map((line) => line.split(' ').map(Number));
  const sum = (column: number) => processes.reduce((total, found) => total + (found[column] ?? Number.NaN), 0);
  const usage = { memory: Math.round(sum(0) / 1024), files: sum(1), connections };
  if (processes.length === 0 || Object.values(usage).some(Number.isNaN)) throw new Error(`${tier}: ${output}`);
  return usage;
}

/** Whether no more is held than usual, give or take what a load that is never the same makes of it. */
export function isUsual(held: Usage, usual: Usage): boolean {
  const allowed = (what: keyof Usage) => usual[what] * 1.5 + 8;
  return (
    held.memory <= allowed('memory') && held.files <= allowed('files') && held.connections <= allowed('connections')
  );
}
