/**
 * What a page of threads costs an owner of few threads and one of many, for every database:
 *
 *     npm run bench:threads                                          all databases, some minutes each
 *     npm run bench:threads -- postgres                              only these
 *     npm run bench:threads -- --rounds 3 --sizes 10,1000 redis
 *
 * Each project is generated and runs in Docker as it would on a server, and is called on 127.0.0.1, one request at a time.
 * The owners share its database; their threads are made by its agent. Asked for are the newest page and the one in the
 * middle, of so few threads that what grows does not hide behind them. The owners take turns, so that whatever else the
 * machine does meets all of them. Prints a table in Markdown.
 */
import { databases } from '../generators/db/databases/index.ts';
import type { Stack } from '../test/support/docker.ts';
import { AgentClient } from './agent-client.ts';
import { type Call, type Growth, growthTable, measureGrowth, tellGrowth } from './growth.ts';
import { within } from './limits.ts';
import { readOptions } from './options.ts';
import { versionsOf, withAgent } from './project.ts';
import { circumstances, dockerVersion } from './tables.ts';

const LOGIC = 'business'; // has no part in it
const CALLS = 50; // in a round, for each owner and page
const PAGE = 4; // threads: two pages are fewer than the smallest owner has
const MAKERS = 16; // at most, that make the threads; few of them are made in their order
const MOST_MINUTES = 30; // for one database

const { rounds, sizes, names } = readOptions({
  rounds: 11,
  sizes: [10, 10_000, 100_000],
  names: Object.keys(databases),
});
const bases = sizes.slice(0, -1).map((_, place) => place);
if (sizes.some((size) => size < 2 * PAGE + 2)) throw new Error(`An owner has at least ${2 * PAGE + 2} threads.`);

/** Makes the threads; the id of the one before the page in the middle. */
async function fill(client: AgentClient, count: number, over: AbortSignal): Promise<string> {
  const ids: string[] = [];
  let begun = 0;
  const maker = async () => {
    while (begun++ < count) {
      over.throwIfAborted();
      ids.push(await client.newThread());
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAKERS, Math.ceil(count / 100)) }, maker));
  return ids[Math.floor(count / 2)] as string;
}

/** Asks for a page, which must be full. */
async function askFor(client: AgentClient, before?: string): Promise<void> {
  const { length } = await client.threads(PAGE, before);
  if (length !== PAGE) throw new Error(`the page has ${length} threads and not ${PAGE}`);
}

async function measure(stack: Stack): Promise<{ newest: Growth; middle: Growth }> {
  const over = within(MOST_MINUTES);
  const newest: Call[] = [];
  const middle: Call[] = [];
  for (const size of sizes) {
    const client = new AgentClient(stack, `owner-of-${size}`);
    const before = await fill(client, size, over);
    newest.push(() => askFor(client));
    middle.push(() => askFor(client, before));
  }
  const growth = await measureGrowth(await stack.container('agent'), [...newest, ...middle], rounds, CALLS, over);
  return { newest: growth.slice(0, sizes.length), middle: growth.slice(sizes.length) };
}

const measured = new Map<string, Growth>();
const versions = new Set<string>();
for (const [id, database] of Object.entries(databases)) {
  if (!names.includes(id)) continue;
  await withAgent('threads', id, LOGIC, async (stack) => {
    versions.add(await versionsOf(stack, database.service));
    const { newest, middle } = await measure(stack);
    measured.set(`${database.label}, newest page`, newest);
    measured.set(`${database.label}, page in the middle`, middle);
  });
}
const notes = `${rounds} rounds of ${CALLS} pages of ${PAGE} threads`;
console.log(`${circumstances(dockerVersion(), ...versions, notes)}\n\n${growthTable(sizes, bases, measured)}`);
tellGrowth(bases, measured);
