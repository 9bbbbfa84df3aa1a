/**
 * What a streamed answer costs, alone, beside 200 others, and beside callers who do not read theirs:
 *
 *     npm run bench:streaming                                     our agent on every database, some minutes
 *     npm run bench:streaming -- --rounds 2 --sizes 50 postgres   fewer rounds, 50 streams at once, this database
 *
 * The peers of bench/peers/agent.py run in the very image of our agent and send the same events: bare FastAPI, which asks
 * no model, and our graph with nothing stored. Everybody has one processor and is called on 127.0.0.1, each turn in a new
 * thread. The model is the offline one. It answers at once for what is measured alone, and for streams that are to
 * last it takes a while for each word. The contenders take turns. Prints three tables in Markdown.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../generators/db/databases/index.ts';
import { type Stack, until } from '../test/support/docker.ts';
import { cpuSeconds, residentMemory } from './cpu.ts';
import { within } from './limits.ts';
import { readOptions } from './options.ts';
import { address, buildPeers, docker, markedFor, removePeers, startPeer } from './peers.ts';
import { generate } from './project.ts';
import { type Endpoint, readStream, type Streamed } from './streams.ts';
import { circumstances, dockerVersion, median, percentile, spread, table } from './tables.ts';

const BENCH = 'streaming';
const LOGIC = 'langgraph'; // the one that streams a model
const ALONE = 20; // streams in a round, one after the other
const DELAY = 0.2; // seconds for a word of the model where its answers are to last
const UNREAD = 8; // callers who do not read, made by bench/peers/unread.py
const MOST_MINUTES = 45;
const MESSAGE = 'Good morning! Please tell me what you know about this.';
const LONG = Array.from({ length: 30 }, (_, n) => `word${n}`).join(' ');

/** The peers, by what bench/peers/agent.py calls them. The first is what all others are compared with. */
const PEERS = { echo: 'bare FastAPI', none: 'LangGraph, nothing stored' } as const;

/** A program in a container. */
interface Service {
  readonly container: string;
  readonly endpoint: Endpoint;
}

interface Contender {
  readonly label: string;
  /** With a model that answers at once, and with one that takes its time. */
  readonly quick: Service;
  readonly steady: Service;
  /** Where other containers reach our quick one. */
  readonly inside?: { readonly network: string; readonly host: string };
}

/** For each contender. */
type Measured<Result> = ReadonlyMap<Contender, Result>;

const {
  rounds,
  sizes: [streams = 0],
  names,
} = readOptions({ rounds: 5, sizes: [200], names: Object.keys(databases) });
const over = within(MOST_MINUTES);

async function ours(stack: Stack, label: string): Promise<Contender> {
  await stack.compose('up', '--build', '--detach', '--wait', `${stack.name}-agent`);
  const quick = await stack.container('agent'); // as long as there is only one
  const headers = { Authorization: `Bearer ${stack.setting('AGENT_TOKEN')}`, 'X-Thread-Owner': 'bench' };
  const steady = `${stack.name}-steady`;
  const options = ['--detach', '--no-deps', '--name', steady, '--publish', '127.0.0.1::8000', ...markedFor(BENCH)];
  await stack.compose('run', ...options, '--env', `LLM_OFFLINE_DELAY=${DELAY}`, `${stack.name}-agent`);
  const service = (container: string, url: string) => ({ container, endpoint: endpoint(url, headers) });
  return {
    label,
    inside: { network: `${stack.name}_${stack.name}-network`, host: `${stack.name}-agent` },
    quick: service(quick, `http://127.0.0.1:${stack.setting('AGENT_PORT')}`),
    steady: service(steady, await address(steady)),
  };
}

async function peer(store: string, label: string): Promise<Contender> {
  const start = async (container: string, delay: number): Promise<Service> => {
    const options = ['--env', `STORE=${store}`, '--env', `LLM_OFFLINE_DELAY=${delay}`];
    return { container, endpoint: endpoint(await startPeer(BENCH, container, options)) };
  };
  const name = `bench-${BENCH}-${store}`;
  return { label, quick: await start(name, 0), steady: await start(`${name}-steady`, DELAY) };
}

function endpoint(base: string, headers = {}): Endpoint {
  return { url: `${base}/stream`, headers };
}

/** Reads streams one after the other. */
async function readAlone({ endpoint }: Service, count: number): Promise<Streamed[]> {
  const agent = new Agent({ keepAlive: true });
  const read: Streamed[] = [];
  try {
    for (let n = 0; n < count; n++) {
      over.throwIfAborted();
      read.push(await readStream(endpoint, agent, MESSAGE));
    }
  } finally {
    agent.destroy();
  }
  return read;
}

/** Of streams that are read one after the other: medians of their times, and the processor time of one. */
interface Round {
  readonly firstToken: number;
  readonly whole: number;
  readonly cpu: number;
}

async function readRound(service: Service): Promise<Round> {
  const before = await cpuSeconds(service.container);
  const read = await readAlone(service, ALONE);
  const cpu = (((await cpuSeconds(service.container)) - before) * 1000) / ALONE;
  return {
    firstToken: median(read.map(({ firstToken }) => firstToken)),
    whole: median(read.map(({ whole }) => whole)),
    cpu,
  };
}

/** Milliseconds, in every round. */
interface Alone {
  readonly firsts: number[];
  readonly cpus: number[];
}

async function measureAlone(contenders: readonly Contender[]): Promise<Measured<Alone>> {
  const measured = new Map(contenders.map((one) => [one, { firsts: [], cpus: [] } as Alone]));
  for (const { quick } of contenders) await readAlone(quick, ALONE);
  for (let round = 0; round < rounds; round++) {
    for (const [{ quick }, { firsts, cpus }] of measured) {
      const { firstToken, cpu } = await readRound(quick);
      firsts.push(firstToken);
      cpus.push(cpu);
    }
  }
  return measured;
}

function tableAlone(measured: Measured<Alone>): string {
  const [bare] = measured.values();
  const rows = [...measured].map(([{ label }, { firsts, cpus }]) => [
    label,
    `**${(median(firsts) / median(bare?.firsts ?? [])).toFixed(2)}**`,
    median(firsts).toFixed(2),
    spread(firsts, 2),
    (median(cpus) / median(bare?.cpus ?? [])).toFixed(2),
    median(cpus).toFixed(2),
  ]);
  return table(['', 'first token / bare', 'first token ms', 'from–to', 'CPU / bare', 'CPU ms'], rows);
}

/** Of streams that are read at once. */
interface Crowd {
  readonly firsts: number[]; // milliseconds, of every stream of every round
  readonly stretches: number[]; // in every round: what a stream took, as a multiple of what its model takes
  readonly rates: number[]; // in every round: tokens in a second
  readonly memories: number[]; // in every round: MiB while all streams were under way
  idle: number; // MiB before
}

/** Reads streams at once; the memory that the service has when each has had its first token. */
async function readTogether({ endpoint, container }: Service): Promise<{ read: Streamed[]; memory: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: streams });
  let begun = 0;
  const weigh = async () => {
    await until('the first token of every stream', 60, async () => begun === streams);
    return residentMemory(container);
  };
  try {
    const reads = Array.from({ length: streams }, () => readStream(endpoint, agent, LONG, () => begun++));
    const [memory, read] = await Promise.all([weigh(), Promise.all(reads)]);
    return { read, memory };
  } finally {
    agent.destroy();
  }
}

async function measureTogether(contenders: readonly Contender[]): Promise<Measured<Crowd>> {
  const measured = new Map<Contender, Crowd>();
  for (const one of contenders) {
    await readAlone(one.steady, 1);
    const idle = await residentMemory(one.steady.container);
    measured.set(one, { firsts: [], stretches: [], rates: [], memories: [], idle });
  }
  for (let round = 0; round < rounds; round++) {
    for (const [{ steady }, { firsts, stretches, rates, memories }] of measured) {
      over.throwIfAborted();
      const { read, memory } = await readTogether(steady);
      firsts.push(...read.map(({ firstToken }) => firstToken));
      stretches.push(median(read.map(({ whole, tokens }) => whole / (tokens * DELAY * 1000))));
      const tokens = read.reduce((sum, stream) => sum + stream.tokens, 0);
      rates.push((tokens * 1000) / Math.max(...read.map(({ whole }) => whole)));
      memories.push(memory);
    }
  }
  return measured;
}

function tableTogether(measured: Measured<Crowd>): string {
  const rows = [...measured].map(([{ label }, { firsts, stretches, rates, memories, idle }]) => {
    const kibibytes = memories.map((memory) => ((memory - idle) * 1024) / streams);
    return [
      label,
      `**${median(stretches).toFixed(2)}**`,
      spread(stretches, 2),
      median(firsts).toFixed(0),
      percentile(firsts, 0.99).toFixed(0),
      median(rates).toFixed(0),
      median(kibibytes).toFixed(0),
      spread(kibibytes, 0),
      idle.toFixed(0),
    ];
  });
  const times = ['whole / its model', 'from–to', 'first token ms', 'p99', 'tokens/s'];
  return table(['', ...times, 'KiB a stream', 'from–to', 'idle MiB'], rows);
}

/** Milliseconds of streams that are read, in every round: without callers who do not read, and with them. */
interface Beside {
  readonly without: Round[];
  readonly beside: Round[];
}

/** Waits until the service has done what it can do. */
async function untilIdle({ container }: Service): Promise<void> {
  await until(`${container} is idle`, 40, async () => {
    const before = await cpuSeconds(container);
    await sleep(500);
    return (await cpuSeconds(container)) - before < 0.05;
  });
}

/** How many streams the agent has ended, once it has counted the last. */
async function ended(service: Service): Promise<number> {
  await untilIdle(service);
  const { url, headers } = service.endpoint;
  const response = await fetch(new URL('/metrics', url), { headers });
  const [, count] = /^agent_http_requests_total\{.*route="\/stream".*\} (\S+)$/m.exec(await response.text()) ?? [];
  return Number(count);
}

/** Reads streams while others are left unread. */
async function readBeside({ quick, inside }: Contender): Promise<Round> {
  const callers = `${quick.container}-unread`;
  const settings = { AGENT: inside?.host, HEADERS: JSON.stringify(quick.endpoint.headers), COUNT: String(UNREAD) };
  const env = Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const before = await ended(quick);
  const about = ['--name', callers, '--network', inside?.network as string, ...markedFor(BENCH), ...env];
  docker('run', '--detach', ...about, `bench-${BENCH}`, 'python', 'unread.py');
  try {
    await until(`${UNREAD} answers begin`, 60, async () => docker('logs', callers) === 'unread');
    await untilIdle(quick);
    const read = await readRound(quick);
    const others = (await ended(quick)) - before - ALONE;
    if (others !== 0) throw new Error(`${others} streams that nobody read have come to an end`);
    return read;
  } finally {
    docker('rm', '--force', callers);
  }
}

async function measureBeside(contenders: readonly Contender[]): Promise<Measured<Beside>> {
  const measured = new Map(contenders.map((one) => [one, { without: [], beside: [] } as Beside]));
  for (let round = 0; round < rounds; round++) {
    for (const [contender, { without, beside }] of measured) {
      over.throwIfAborted();
      const ways = [
        async () => without.push(await readRound(contender.quick)),
        async () => beside.push(await readBeside(contender)),
      ];
      for (const way of round % 2 ? ways.reverse() : ways) {
        await untilIdle(contender.quick);
        await way();
      }
    }
  }
  return measured;
}

function tableBeside(measured: Measured<Beside>): string {
  const rows = [...measured].map(([{ label }, { without, beside }]) => {
    const of = (read: readonly Round[], kind: keyof Round) => median(read.map((round) => round[kind]));
    const ratio = (kind: keyof Round) => (of(beside, kind) / of(without, kind)).toFixed(2);
    const ratios = beside.map(({ whole }, round) => whole / (without[round] as Round).whole);
    return [
      label,
      `**${ratio('whole')}**`,
      spread(ratios, 2),
      ratio('firstToken'),
      ratio('cpu'),
      ...(['whole', 'firstToken', 'cpu'] as const).flatMap((kind) =>
        [without, beside].map((read) => of(read, kind).toFixed(2)),
      ),
    ];
  });
  const ratios = ['whole, beside / alone', 'from–to', 'first token, beside / alone', 'CPU, beside / alone'];
  const times = ['whole', 'first token', 'CPU'].flatMap((kind) => [`${kind} ms alone`, `${kind} ms beside`]);
  return table(['', ...ratios, ...times], rows);
}

const folder = mkdtempSync(path.join(tmpdir(), `bench-${BENCH}-`));
const stacks: Stack[] = [];
try {
  removePeers(BENCH);
  const contenders: Contender[] = [];
  for (const [id, database] of Object.entries(databases)) {
    if (!names.includes(id)) continue;
    over.throwIfAborted();
    const stack = await generate(folder, BENCH, id, LOGIC);
    stacks.push(stack);
    contenders.push(await ours(stack, `ours: ${database.label}`));
  }
  buildPeers(BENCH, docker('inspect', '--format', '{{.Config.Image}}', contenders[0]?.quick.container as string));
  const peers = await Promise.all(Object.entries(PEERS).map(([store, label]) => peer(store, label)));
  const everybody = [...peers, ...contenders];
  const versions = docker('run', '--rm', `bench-${BENCH}`, 'pip', 'freeze').match(
    /^(fastapi|langgraph|uvicorn)==.*$/gm,
  );
  console.log(circumstances(dockerVersion(), ...(versions ?? []), `${rounds} rounds`));
  console.log(`\nAlone, ${ALONE} streams in a round:\n\n${tableAlone(await measureAlone(everybody))}`);
  console.log(
    `\n${streams} at once, ${DELAY * 1000} ms for a token:\n\n${tableTogether(await measureTogether(everybody))}`,
  );
  console.log(`\nBeside ${UNREAD} callers who do not read:\n\n${tableBeside(await measureBeside(contenders))}`);
} finally {
  removePeers(BENCH);
  for (const stack of stacks) await stack.remove();
  rmSync(folder, { recursive: true });
}
