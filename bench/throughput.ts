/**
 * How many turns an agent answers, beside others:
 *
 *     npm run bench:throughput          7 rounds of 3 seconds for each contender
 *     npm run bench:throughput -- 15    more rounds
 *
 * Ours is generated for every database and logic. The peers of bench/peers/agent.py run in the very image of our agent:
 * bare FastAPI, its graph with nothing stored, and its graph under LangGraph's checkpointer for PostgreSQL. Everybody has
 * one processor and answers 16 connections on 127.0.0.1, each turn in a new thread, with the offline model. The contenders
 * take turns. Prints a table in Markdown.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import { type Stack, until } from '../test/support/docker.ts';
import { cpuSeconds } from './cpu.ts';
import { load, type Target } from './load.ts';
import { generate } from './project.ts';
import { circumstances, dockerVersion, median, spread, table } from './tables.ts';

const ROUNDS = Number(process.argv[2] ?? 7);
const SECONDS = 3; // of load in a round
const CONNECTIONS = 16;
const NETWORK = 'bench-throughput';
const LIMITS = ['--cpus', '1', '--memory', '512m'];

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
  readonly container: string;
  readonly target: Target;
}

interface Results {
  readonly rates: number[]; // requests in a second
  readonly cpus: number[]; // milliseconds of one request
  readonly slowest: number[]; // milliseconds of the slowest of a hundred
}

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

async function ours(stack: Stack, label: string, logic: LogicId): Promise<Contender> {
  const target: Target = {
    url: `http://127.0.0.1:${stack.setting('AGENT_PORT')}/invoke`,
    headers: { Authorization: `Bearer ${stack.setting('AGENT_TOKEN')}`, 'X-Thread-Owner': 'bench' },
    body: () => ({ message: MESSAGES[logic] }),
  };
  return { label, container: await stack.container('agent'), target };
}

/** Starts the peers beside a PostgreSQL of their own. */
async function startPeers(image: string): Promise<Contender[]> {
  const folder = path.join(import.meta.dirname, 'peers');
  docker('build', '--quiet', '--tag', NETWORK, '--build-arg', `AGENT=${image}`, folder);
  docker('network', 'create', NETWORK);
  const password = randomUUID();
  const database = ['--network', NETWORK, '--name', `${NETWORK}-postgres`, ...LIMITS];
  docker('run', '--detach', ...database, '--env', `POSTGRES_PASSWORD=${password}`, 'postgres:16-alpine');
  await until('PostgreSQL', 60, async () =>
    Boolean(docker('exec', `${NETWORK}-postgres`, 'pg_isready', '-h', '127.0.0.1')),
  );
  const url = `postgresql://postgres:${password}@${NETWORK}-postgres/postgres`;
  const peers: Contender[] = [];
  // One after the other: two checkpointers that create their tables at once stand in each other's way.
  for (const [store, label] of Object.entries(PEERS)) peers.push(await startPeer(store, label, url));
  return peers;
}

async function startPeer(store: string, label: string, database: string): Promise<Contender> {
  const container = `${NETWORK}-${store}`;
  const settings = ['--env', `STORE=${store}`, '--env', `DATABASE_URL=${database}`];
  docker(
    'run',
    '--detach',
    '--network',
    NETWORK,
    '--name',
    container,
    '--publish',
    '127.0.0.1::8000',
    ...LIMITS,
    ...settings,
    NETWORK,
  );
  const url = `http://${docker('port', container, '8000').split('\n')[0]}`;
  await until(container, 60, async () => (await fetch(`${url}/health`)).ok);
  return {
    label,
    container,
    target: { url: `${url}/invoke`, headers: {}, body: () => ({ message: MESSAGES.langgraph }) },
  };
}

function removePeers(): void {
  for (const name of ['postgres', ...Object.keys(PEERS)]) docker('rm', '--force', '--volumes', `${NETWORK}-${name}`);
  if (docker('network', 'ls', '--quiet', '--filter', `name=^${NETWORK}$`)) docker('network', 'rm', NETWORK);
}

async function measure(contenders: readonly Contender[]): Promise<Map<Contender, Results>> {
  const measured = new Map(contenders.map((one) => [one, { rates: [], cpus: [], slowest: [] } as Results]));
  for (const { target } of contenders) await load(target, CONNECTIONS, 1);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [{ container, target }, { rates, cpus, slowest }] of measured) {
      const before = await cpuSeconds(container);
      const { requests, seconds, latencies } = await load(target, CONNECTIONS, SECONDS);
      cpus.push((((await cpuSeconds(container)) - before) * 1000) / requests);
      rates.push(requests / seconds);
      slowest.push([...latencies].sort((a, b) => a - b)[Math.floor(requests * 0.99)] as number);
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

const folder = mkdtempSync(path.join(tmpdir(), 'bench-throughput-'));
const stacks: Stack[] = [];
try {
  removePeers();
  const contenders: Contender[] = [];
  for (const [id, database] of Object.entries(databases)) {
    for (const [logicId, logic] of Object.entries(logics)) {
      const stack = await generate(folder, 'throughput', id, logicId);
      stacks.push(stack);
      await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
      contenders.push(await ours(stack, `ours: ${logic.label}, ${database.label}`, logicId as LogicId));
    }
  }
  const [first] = contenders.filter(({ label }) => label.includes(logics.langgraph.label));
  contenders.push(...(await startPeers(docker('inspect', '--format', '{{.Config.Image}}', first?.container ?? ''))));
  const measured = await measure(contenders);
  const versions =
    docker('run', '--rm', NETWORK, 'pip', 'freeze').match(
      /^(fastapi|langgraph|langgraph-checkpoint-postgres|psycopg|uvicorn)==.*$/gm,
    ) ?? [];
  console.log(
    `${circumstances(dockerVersion(), versions.join(', '), `${ROUNDS} rounds of ${SECONDS} s`)}\n\n${results(measured)}`,
  );
} finally {
  removePeers();
  for (const stack of stacks) await stack.remove();
  rmSync(folder, { recursive: true });
}
