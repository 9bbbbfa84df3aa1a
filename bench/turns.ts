/**
 * What a turn costs in a short thread and in a long one, for every database and every logic:
 *
 *     npm run bench:turns                        all pairs, a few minutes each
 *     npm run bench:turns -- postgres-business   only these
 *
 * Each pair is generated and runs in Docker as it would on a server, and is called on 127.0.0.1, one message at a time.
 * The sizes take turns, so that whatever else the machine does meets all of them. Prints a table in Markdown.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import type { Stack } from '../test/support/docker.ts';
import { AgentClient } from './agent-client.ts';
import { cpuSeconds } from './cpu.ts';
import { generate } from './project.ts';
import { circumstances, dockerVersion, median, table } from './tables.ts';

const ROUNDS = 11;
const TURNS = 20; // in a round, for each size
const SIZES = [
  { stored: 10, turnsPerThread: 1 }, // a thread is left before it has grown much
  { stored: 100, turnsPerThread: 5 },
  { stored: 1000, turnsPerThread: 22 },
] as const;
const CALLERS = 4; // that fill the threads
const MOST_MINUTES = 15; // for one pair
const GOAL = 1.2; // for a long thread, as a multiple of a short one

/** What is said in turn. */
const MESSAGES: Record<LogicId, readonly string[]> = {
  langgraph: ['Good morning! Please tell me what you know about this.'],
  business: ['add 2 milk and bread', 'add 3 apples', 'show', 'remove bread and 1 milk'],
};

/** Ends the measurement, so that what was started for it is removed. */
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(signal)));

/** Milliseconds that a turn took. */
interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

/** For each size, in their order. */
type Costs = readonly Cost[];

/** Makes `count` threads of `stored` messages each. */
async function fill(
  client: AgentClient,
  messages: readonly string[],
  stored: number,
  count: number,
  over: AbortSignal,
) {
  const threads: string[] = [];
  const caller = async () => {
    while (threads.length < count) {
      const thread = await client.newThread();
      threads.push(thread);
      for (let turn = 0; turn < stored / 2; turn++) {
        over.throwIfAborted();
        await client.say(thread, messages[turn % messages.length] as string);
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const found = await client.count(threads[0] as string);
  if (found !== stored) throw new Error(`a thread has ${found} messages and not ${stored}`);
  return threads;
}

/** What a turn costs at each size: medians over the rounds. */
async function measure(stack: Stack, logic: LogicId): Promise<Costs> {
  const over = AbortSignal.any([interrupted.signal, AbortSignal.timeout(MOST_MINUTES * 60_000)]);
  const client = new AgentClient(stack);
  const container = await stack.container('agent');
  const messages = MESSAGES[logic];
  const threads = [];
  for (const { stored, turnsPerThread } of SIZES) {
    threads.push(await fill(client, messages, stored, (ROUNDS * TURNS) / turnsPerThread, over));
  }
  const rounds: Cost[][] = SIZES.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < SIZES.length; n++) {
      over.throwIfAborted();
      const size = (round + n) % SIZES.length;
      const { turnsPerThread } = SIZES[size] as (typeof SIZES)[number];
      const cpu = await cpuSeconds(container);
      const walls: number[] = [];
      for (let turn = 0; turn < TURNS; turn++) {
        const thread = threads[size]?.[Math.floor((round * TURNS + turn) / turnsPerThread)] as string;
        const start = performance.now();
        await client.say(thread, messages[turn % messages.length] as string);
        walls.push(performance.now() - start);
      }
      rounds[size]?.push({ cpu: (((await cpuSeconds(container)) - cpu) * 1000) / TURNS, wall: median(walls) });
    }
  }
  return rounds.map((costs) => ({
    cpu: median(costs.map(({ cpu }) => cpu)),
    wall: median(costs.map(({ wall }) => wall)),
  }));
}

function ratio(costs: Costs, kind: keyof Cost): number {
  return (costs.at(-1) as Cost)[kind] / (costs[0] as Cost)[kind];
}

function growthTable(measured: ReadonlyMap<string, Costs>): string {
  const sizes = SIZES.map(({ stored }) => stored);
  const span = `${sizes.at(-1)} / ${sizes[0]}`;
  const heads = [
    '',
    `CPU ${span}`,
    `wall ${span}`,
    ...sizes.map((n) => `CPU at ${n}`),
    ...sizes.map((n) => `wall at ${n}`),
  ];
  const lines = [...measured].map(([pair, costs]) => [
    pair,
    `**${ratio(costs, 'cpu').toFixed(2)}**`,
    ratio(costs, 'wall').toFixed(2),
    ...costs.map(({ cpu }) => `${cpu.toFixed(2)} ms`),
    ...costs.map(({ wall }) => `${wall.toFixed(2)} ms`),
  ]);
  return table(heads, lines);
}

/** With what it was measured. */
async function versionsOf(stack: Stack, service: string): Promise<string> {
  const { stdout } = await stack.inside('agent', ['python', '-V']);
  return `${stdout.trim()}, ${await stack.inspect(service, '{{.Config.Image}}')}`;
}

const wanted = process.argv.slice(2);
const folder = mkdtempSync(path.join(tmpdir(), 'bench-turns-'));
const measured = new Map<string, Costs>();
const versions = new Set<string>();
try {
  for (const [id, database] of Object.entries(databases)) {
    for (const [logicId, logic] of Object.entries(logics)) {
      if (wanted.length && !wanted.includes(`${id}-${logicId}`)) continue;
      console.error(`${id}-${logicId} ...`);
      const stack = await generate(folder, id, logicId);
      try {
        await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
        versions.add(await versionsOf(stack, database.service));
        measured.set(`${database.label}, ${logic.label}`, await measure(stack, logicId as LogicId));
      } finally {
        await stack.remove();
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (measured.size === 0) throw new Error(`There is no pair called ${wanted.join(' or ')}.`);
console.log(`${circumstances(dockerVersion(), ...versions)}\n\n${growthTable(measured)}`);
const tooMuch = [...measured].filter(([, costs]) => ratio(costs, 'cpu') > GOAL);
for (const [pair, costs] of tooMuch) console.error(`${pair}: ${ratio(costs, 'cpu').toFixed(2)} is more than ${GOAL}`);
