import { cpuSeconds } from './cpu.ts';
import { median, spread, table } from './tables.ts';

const GOAL = 1.1; // for the largest size, as a multiple of a smaller one

/** Milliseconds that a call took: of the agent's processor, and until it was answered. */
export interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

/** For each size, in their order, the cost in every round. */
export type Growth = readonly (readonly Cost[])[];

/** What is called, and counts its calls from 0. */
export type Call = (n: number) => Promise<unknown>;

/** Measures a call at each size. They take turns, so that whatever else the machine does meets all of them. */
export async function measureGrowth(
  container: string,
  sizes: readonly Call[],
  rounds: number,
  calls: number,
  over: AbortSignal,
): Promise<Growth> {
  const growth: Cost[][] = sizes.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < sizes.length; n++) {
      const size = (round + n) % sizes.length;
      const before = await cpuSeconds(container);
      const walls: number[] = [];
      for (let call = 0; call < calls; call++) {
        over.throwIfAborted();
        const start = performance.now();
        await sizes[size]?.(round * calls + call);
        walls.push(performance.now() - start);
      }
      growth[size]?.push({ cpu: (((await cpuSeconds(container)) - before) * 1000) / calls, wall: median(walls) });
    }
  }
  return growth;
}

function medianOf(costs: readonly Cost[] | undefined, kind: keyof Cost): number {
  return median((costs ?? []).map((cost) => cost[kind]));
}

/** What the largest size costs as a multiple of that at `base`. */
function ratio(growth: Growth, base: number, kind: keyof Cost): number {
  return medianOf(growth.at(-1), kind) / medianOf(growth[base], kind);
}

/** The same in every round, from the smallest to the largest. */
function ratioSpread(growth: Growth, base: number, kind: keyof Cost): string {
  const ratios = growth.at(-1)?.map((cost, round) => cost[kind] / (growth[base]?.[round]?.[kind] as number));
  return spread(ratios ?? [], 2);
}

/** The largest size is compared with those at the places `bases`. */
export function growthTable(
  sizes: readonly number[],
  bases: readonly number[],
  measured: ReadonlyMap<string, Growth>,
): string {
  const kinds = [
    ['CPU', 'cpu'],
    ['wall', 'wall'],
  ] as const;
  const heads = kinds.flatMap(([word]) =>
    bases.flatMap((base) => [`${word} ${sizes.at(-1)} / ${sizes[base]}`, 'from–to']),
  );
  const costs = kinds.flatMap(([word]) => sizes.map((size) => `${word} ms at ${size}`));
  const rows = [...measured].map(([label, growth]) => [
    label,
    ...kinds.flatMap(([, kind]) =>
      bases.flatMap((base) => [`**${ratio(growth, base, kind).toFixed(2)}**`, ratioSpread(growth, base, kind)]),
    ),
    ...kinds.flatMap(([, kind]) => growth.map((rounds) => medianOf(rounds, kind).toFixed(2))),
  ]);
  return table(['', ...heads, ...costs], rows);
}

/** Tells on standard error what grows by more than the goal. */
export function tellGrowth(bases: readonly number[], measured: ReadonlyMap<string, Growth>): void {
  for (const [label, growth] of measured) {
    for (const kind of ['cpu', 'wall'] as const) {
      const most = Math.max(...bases.map((base) => ratio(growth, base, kind)));
      if (most > GOAL) console.error(`${label}: ${kind} grows to ${most.toFixed(2)}, which is more than ${GOAL}`);
    }
  }
}
