/**
 * How many turns an agent answers, beside others:
 *
 *     npm run bench:throughput                   7 rounds of 3 seconds for each contender
 *     npm run bench:throughput -- --rounds 15    more rounds
 *     npm run bench:throughput -- --beside 'another service=CONTAINER:PORT/PATH'
 *
 * Ours is generated for every database and logic. The peers of bench/peers/agent.py run in the very image of our agent:
 * bare FastAPI, its graph with nothing stored, and its graph under LangGraph's checkpointer for PostgreSQL. Everybody has
 * one processor and answers 16 connections on 127.0.0.1, each turn in a new thread, with the offline model. The contenders
 * take turns. Another service is one that runs in a container with one processor, publishes its port, and answers the same
 * body at that path. Prints a table in Markdown.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import { type Stack, until } from '../test/support/docker.ts';
import { containerCpuSeconds, cpuSeconds } from './cpu.ts';
import { within } from './limits.ts';
import { load, type Target } from './load.ts';
import { readOptions } from './options.ts';
import { buildPeers, docker, LIMITS, markedFor, removePeers, startPeer } from './peers.ts';
import { generate } from './project.ts';
import { circumstances, dockerVersion, median, percentile, spread, table } from './tables.ts';

const { rounds: ROUNDS, beside: OTHERS = [] } = readOptions({ rounds: 7, sizes: [], names: [], beside: [] });
const SECONDS = 3; // of load in a round
const CONNECTIONS = 16;
const MOST_MINUTES = 60;
const BENCH = 'throughput';
const NETWORK = `bench-${BENCH}`; // also the name of the peers' image

const MESSAGES: Record<LogicId, string> = {
  langgraph: 'Good morning! Please tell me what you know about this.',
  business: 'add 2 milk and bread',
};

/** The peers, by what bench/peers/agent.py calls them. */
const PEERS = {
  echo: 'bare FastAPI',
  none: 'LangGraph, nothing stored',
  exit: 'LangGraph, its checkpointer, `durability="exit"`',
  checkpoint: 'LangGraph, its checkpointer, defaults',
} as const;

interface Contender {
  readonly label: string;
  readonly target: Target;
  /** Seconds of processor time so far. */
  readonly cpu: () => Promise<number>;
}

interface Results {
  readonly rates: number[]; // requests in a second
  readonly cpus: number[]; // milliseconds of one request
  readonly slowest: number[]; // milliseconds of the slowest of a hundred
}

async function ours(stack: Stack, label: string, logic: LogicId): Promise<Contender> {
  const target: Target = {
    url: `http://127.0.0.1:${stack.setting('AGENT_PORT')}/invoke`,
    headers: { Authorization: `Bearer ${stack.setting('AGENT_TOKEN')}`, 'X-Thread-Owner': 'bench' },
    body: () => ({ message: MESSAGES[logic] }),
  };
  const container = await stack.container('agent');
  return { label, target, cpu: () => cpuSeconds(container) };
}

/** Starts the peers beside a PostgreSQL of their own. */
async function startPeers(image: string): Promise<Contender[]> {
  buildPeers(BENCH, image);
  docker('network', 'create', NETWORK);
  const password = randomUUID();
  const database = ['--network', NETWORK, '--name', `${NETWORK}-postgres`, ...markedFor(BENCH), ...LIMITS];
  docker('run', '--detach', ...database, '--env', `POSTGRES_PASSWORD=${password}`, 'postgres:16-alpine');
  await until('PostgreSQL', 60, async () =>
    Boolean(docker('exec', `${NETWORK}-postgres`, 'pg_isready', '-h', '127.0.0.1')),
  );
  const url = `postgresql://postgres:${password}@${NETWORK}-postgres/postgres`;
  const peers: Contender[] = [];
  // One after the other: two checkpointers that create their tables at once stand in each other's way.
  for (const [store, label] of Object.entries(PEERS)) {
    const container = `${NETWORK}-${store}`;
    const options = ['--network', NETWORK, '--env', `STORE=${store}`, '--env', `DATABASE_URL=${url}`];
    const base = await startPeer(BENCH, container, options);
    peers.push({ label, target: unguarded(`${base}/invoke`), cpu: () => cpuSeconds(container) });
  }
  return peers;
}

/** A service that somebody else has started, from `LABEL=CONTAINER:PORT/PATH`. */
function other(words: string): Contender {
  const [, label, container, port, place] = /^(.+)=([^=:]+):(\d+)(\/.*)$/.exec(words) ?? [];
  if (!(label && container && port)) throw new Error(`--beside takes LABEL=CONTAINER:PORT/PATH, not ${words}.`);
  const address = docker('port', container, port).split('\n')[0];
  return { label, target: unguarded(`http://${address}${place}`), cpu: () => containerCpuSeconds(container) };
}

/** What is asked of those who want no token. */
function unguarded(url: string): Target {
  return { url, headers: {}, body: () => ({ message: MESSAGES.langgraph }) };
}

function removeAll(): void {
  removePeers(BENCH);
  if (docker('network', 'ls', '--quiet', '--filter', `name=^${NETWORK}$`)) docker('network', 'rm', NETWORK);
}

async function measure(contenders: readonly Contender[], over: AbortSignal): Promise<Map<Contender, Results>> {
  const measured = new Map(contenders.map((one) => [one, { rates: [], cpus: [], slowest: [] } as Results]));
  for (const { target } of contenders) await load(target, CONNECTIONS, 1);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [{ target, cpu }, { rates, cpus, slowest }] of measured) {
      over.throwIfAborted();
      const before = await cpu();
      const { requests, seconds, latencies } = await load(target, CONNECTIONS, SECONDS);
      cpus.push((((await cpu()) - before) * 1000) / requests);
      rates.push(requests / seconds);
      slowest.push(percentile(latencies, 0.99));
    }
  }
  return measured;
}

function results(measured: ReadonlyMap<Contender, Results>): string {
  const rateOf = (label: string) => median([...measured].find(([one]) => one.label === label)?.[1].rates ?? []);
  const [bare, unstored, checkpointed] = [PEERS.echo, PEERS.none, PEERS.checkpoint].map(rateOf) as [
    number,
    number,
    number,
  ];
  const rows = [...measured].map(([{ label }, { rates, cpus, slowest }]) => {
    const rate = median(rates);
    const ratios = [checkpointed, unstored, bare].map((base) => (rate / base).toFixed(2));
    return [label, ...ratios, rate.toFixed(0), spread(rates, 0), median(cpus).toFixed(2), median(slowest).toFixed(0)];
  });
  const heads = ['', '/ checkpointer', '/ nothing stored', '/ bare FastAPI', 'turns/s', 'from–to', 'CPU ms', 'p99 ms'];
  return table(heads, rows);
}

const over = within(MOST_MINUTES);
const folder = mkdtempSync(path.join(tmpdir(), `${NETWORK}-`));
const stacks: Stack[] = [];
try {
  removeAll();
  const others = OTHERS.map(other);
  const contenders: Contender[] = [];
  for (const [id, database] of Object.entries(databases)) {
    for (const [logicId, logic] of Object.entries(logics)) {
      over.throwIfAborted();
      const stack = await generate(folder, BENCH, id, logicId);
      stacks.push(stack);
      await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
      contenders.push(await ours(stack, `ours: ${logic.label}, ${database.label}`, logicId as LogicId));
    }
  }
  const withGraph = stacks.find(({ name }) => name.endsWith('langgraph')) as Stack;
  contenders.push(...(await startPeers(await withGraph.inspect('agent', '{{.Config.Image}}'))), ...others);
  const measured = await measure(contenders, over);
  const versions =
    docker('run', '--rm', NETWORK, 'pip', 'freeze').match(
      /^(fastapi|langgraph|langgraph-checkpoint-postgres|psycopg|uvicorn)==.*$/gm,
    ) ?? [];
  console.log(
    `${circumstances(dockerVersion(), versions.join(', '), `${ROUNDS} rounds of ${SECONDS} s`)}\n\n${results(measured)}`,
  );
} finally {
  removeAll();
  for (const stack of stacks) await stack.remove();
  rmSync(folder, { recursive: true });
}
