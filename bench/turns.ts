/**
 * What a turn costs in a short thread and in a long one, for every database and every logic:
 *
 *     npm run bench:turns                                            all pairs, a few minutes each
 *     npm run bench:turns -- postgres-business                       only these
 *     npm run bench:turns -- --rounds 3 --sizes 10,100 redis-business
 *
 * Each pair is generated and runs in Docker as it would on a server, and is called on 127.0.0.1, one message at a time.
 * The threads are filled by the agent's own import, with copies of what it said to the same messages; the last turn of
 * each is said. The sizes take turns, so that whatever else the machine does meets all of them. Prints a table in Markdown.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import { type Archived, readArchive, writeArchive } from '../test/support/archive.ts';
import type { Stack } from '../test/support/docker.ts';
import { execute } from '../test/support/execute.ts';
import { AgentClient } from './agent-client.ts';
import { type Growth, growthTable, measureGrowth, tellGrowth } from './growth.ts';
import { within } from './limits.ts';
import { readOptions } from './options.ts';
import { versionsOf, withAgent } from './project.ts';
import { circumstances, dockerVersion } from './tables.ts';

const TURNS = 20; // in a round, for each size
const GROWS = 0.1; // the part of its messages by which a thread grows before it is left
const MOST_MINUTES = 15; // for one pair
const START = Date.UTC(2026, 0, 1);

/** What is said in turn. */
const MESSAGES: Record<LogicId, readonly string[]> = {
  langgraph: ['Good morning! Please tell me what you know about this.'],
  business: ['add 2 milk and bread', 'add 3 apples', 'show', 'remove bread and 1 milk'],
};

const pairs = Object.entries(databases).flatMap(([databaseId, database]) =>
  Object.entries(logics).map(([logicId, logic]) => ({
    id: `${databaseId}-${logicId}`,
    label: `${database.label}, ${logic.label}`,
    databaseId,
    logicId: logicId as LogicId,
    service: database.service,
  })),
);
const { rounds, sizes, names } = readOptions({
  rounds: 11,
  sizes: [10, 100, 1000, 10_000],
  names: pairs.map(({ id }) => id),
});
/** The first size, and the one whose messages fill the window: from there on nothing more is read. */
const bases = sizes.length > 2 ? [0, 1] : [0];
if (sizes.some((size) => size < 4 || size % 2)) throw new Error('A size is an even number of messages, at least 4.');

/** Runs what moves all that is remembered, in the agent's container. */
async function transfer(stack: Stack, command: string): Promise<void> {
  const line = `docker compose exec -T ${stack.name}-agent python main.py ${command}`;
  const { status, output } = await execute(stack.folder, 'bash', ['-c', line]);
  if (status !== 0) throw new Error(output);
}

/** What is stored of each message and its reply, once all were said before. */
async function pattern(stack: Stack, client: AgentClient, messages: readonly string[], folder: string) {
  const thread = await client.newThread();
  for (const message of [...messages, ...messages]) await client.say(thread, message);
  const file = path.join(folder, 'exported');
  await transfer(stack, `export >${file}`);
  return readArchive(file)[0]?.messages.slice(-2 * messages.length) as Archived['messages'];
}

/** A thread that repeats the pattern until it has `stored` messages; no other was made in the same millisecond. */
function repeated(id: string, stored: number, said: Archived['messages'], millisecond: number): Archived {
  const at = (n: number) => new Date(START + millisecond + n).toISOString();
  const messages = Array.from({ length: stored }, (_, n) => ({
    ...said[n % said.length],
    id: n + 1,
    turn: `${id}/${n >> 1}`,
    created_at: at(n),
  }));
  return { thread: { owner: 'bench', id, title: null, created_at: at(0), updated_at: at(stored) }, messages };
}

function turnsPerThread(stored: number): number {
  return Math.max(1, Math.floor((stored / 2) * GROWS));
}

function threadOf(stored: number, turn: number): string {
  return `${stored}-${Math.floor(turn / turnsPerThread(stored))}`;
}

/** Makes the threads of all sizes; the newest answer of each stands where a turn leaves it. */
async function fill(stack: Stack, client: AgentClient, messages: readonly string[], over: AbortSignal): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-turns-archive-'));
  try {
    const said = await pattern(stack, client, messages, folder);
    const threads = sizes.flatMap((stored) => {
      const ids = new Set(Array.from({ length: rounds * TURNS }, (_, turn) => threadOf(stored, turn)));
      return [...ids].map((id) => ({ id, stored }));
    });
    const file = path.join(folder, 'archive');
    writeArchive(
      file,
      threads.map(({ id, stored }, n) => repeated(id, stored - 2, said, n)),
    );
    await transfer(stack, `import <${file}`);
    for (const { id, stored } of threads) {
      over.throwIfAborted();
      await client.say(id, messages[(stored / 2 - 1) % messages.length] as string);
    }
    for (const stored of sizes) {
      const found = await client.count(threadOf(stored, 0));
      if (found !== stored) throw new Error(`a thread has ${found} messages and not ${stored}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure(stack: Stack, messages: readonly string[]): Promise<Growth> {
  const over = within(MOST_MINUTES);
  const client = new AgentClient(stack);
  await fill(stack, client, messages, over);
  const calls = sizes.map(
    (stored) => (turn: number) => client.say(threadOf(stored, turn), messages[turn % messages.length] as string),
  );
  return measureGrowth(await stack.container('agent'), calls, rounds, TURNS, over);
}

const measured = new Map<string, Growth>();
const versions = new Set<string>();
for (const { id, label, databaseId, logicId, service } of pairs) {
  if (!names.includes(id)) continue;
  await withAgent('turns', databaseId, logicId, async (stack) => {
    versions.add(await versionsOf(stack, service));
    measured.set(label, await measure(stack, MESSAGES[logicId]));
  });
}
const notes = `${rounds} rounds of ${TURNS} turns`;
console.log(`${circumstances(dockerVersion(), ...versions, notes)}\n\n${growthTable(sizes, bases, measured)}`);
tellGrowth(bases, measured);
