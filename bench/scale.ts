/**
 * How many turns several agents answer on one database:
 *
 *     npm run bench:scale                                    5 rounds of 5 seconds, with 1, 2 and 3 agents
 *     npm run bench:scale -- --rounds 2 postgres-business    fewer rounds, one pair
 *     npm run bench:scale -- --sizes 1,2,4                   other numbers of agents
 *
 * The project runs in Docker as it would on a server, each container with at most one processor. 24 connections ask, each
 * turn in another conversation than the one before: through the interface, which spreads them, and the agents themselves,
 * each of which gets as many. The numbers take turns. The headline is the efficiency: how much of n times the turns of one
 * agent n of them answer. Beside it stands the processor time, from which follows what is busy. Prints a table in Markdown.
 */
import { cpus } from 'node:os';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import { type Stack, until } from '../test/support/docker.ts';
import { AgentClient } from './agent-client.ts';
import { containerCpuSeconds } from './cpu.ts';
import { within } from './limits.ts';
import { load, type Target } from './load.ts';
import { readOptions } from './options.ts';
import { generate, inFolder, using, versionsOf } from './project.ts';
import { circumstances, dockerVersion, median, spread, table } from './tables.ts';
import { OWNER, threadsOf, turnsThrough } from './turns-through.ts';

const CONNECTIONS = 24; // divided among the agents
const SECONDS = 5; // of load in a round, in each way
const WINDOW = 10; // messages, so that all threads are soon longer and a turn costs the same all the time
const MOST_MINUTES = 20; // for one pair
const BUSY = 0.85; // of what it may use, from which on something counts as busy

const PAIRS = Object.keys(databases).flatMap((database) => Object.keys(logics).map((logic) => `${database}-${logic}`));
const MESSAGES: Record<LogicId, string> = { langgraph: 'Good morning!', business: 'add 2 milk and bread' };
const WAYS = { interface: 'through the interface', agent: 'agents alone' } as const;

const options = readOptions({ rounds: 5, sizes: [1, 2, 3], names: PAIRS });
const { rounds, sizes } = options;
const names = options.names === PAIRS ? ['postgres-langgraph', 'postgres-business'] : options.names;

/** What was used of the processors in a second, of each round. */
interface Usage {
  readonly agents: number[];
  readonly interface: number[];
  readonly database: number[];
  readonly machine: number[]; // of everything on it, the callers too
}

interface Results {
  readonly way: keyof typeof WAYS;
  readonly size: number;
  readonly rates: number[]; // turns in a second
  readonly usage: Usage;
}

/** Seconds that all processors of the machine have worked since it started. */
function machineSeconds(): number {
  const times = cpus().map(({ times: { user, nice, sys, irq } }) => user + nice + sys + irq);
  return times.reduce((sum, each) => sum + each) / 1000;
}

async function containers(stack: Stack, service: string): Promise<string[]> {
  return (await stack.compose('ps', '--quiet', `${stack.name}-${service}`)).split('\n').sort();
}

/** Starts or stops agents until there are so many, and waits until the interface knows them. */
async function scaleTo(stack: Stack, size: number, through: Target): Promise<void> {
  await stack.compose('up', '--detach', '--wait', '--no-recreate', '--scale', `${stack.name}-agent=${size}`);
  const turns = async () => Promise.all((await agents(stack)).map((agent) => agent.turns()));
  const before = await turns();
  await until(`${size} agents are asked`, 60, async () => {
    await load(through, CONNECTIONS, 1);
    const now = await turns();
    return now.every((count, n) => count > (before[n] as number));
  });
}

/** The agents themselves; each has published a port that was free. */
async function agents(stack: Stack): Promise<AgentClient[]> {
  const ports = (await containers(stack, 'agent')).map((id) => stack.docker('port', id, '8000/tcp'));
  return (await Promise.all(ports)).map((address) => new AgentClient(stack, OWNER, `http://${address}`));
}

/** Asks all targets at once, which share the connections. */
async function askOnce(stack: Stack, service: string, all: readonly Target[], results: Results): Promise<void> {
  const used = async (tier: string) => {
    const each = await Promise.all((await containers(stack, tier)).map(containerCpuSeconds));
    return each.reduce((sum, one) => sum + one);
  };
  const clocks = async () => [await used('agent'), await used('interface'), await used(service)];
  const before = await clocks();
  const machine = machineSeconds();
  const start = performance.now();
  const loads = await Promise.all(all.map((target) => load(target, CONNECTIONS / all.length, SECONDS)));
  const seconds = (performance.now() - start) / 1000;
  results.usage.machine.push((machineSeconds() - machine) / seconds);
  const after = await clocks();
  const kinds = ['agents', 'interface', 'database'] as const;
  for (const [n, kind] of kinds.entries()) {
    results.usage[kind].push(((after[n] as number) - (before[n] as number)) / seconds);
  }
  results.rates.push(loads.reduce((sum, { requests }) => sum + requests, 0) / seconds);
}

async function measure(stack: Stack, service: string, logic: LogicId): Promise<Results[]> {
  const over = within(MOST_MINUTES);
  const ways = Object.keys(WAYS) as Results['way'][];
  const usage = (): Usage => ({ agents: [], interface: [], database: [], machine: [] });
  const measured = ways.flatMap((way) => sizes.map((size): Results => ({ way, size, rates: [], usage: usage() })));
  const next = await threadsOf(stack);
  const through = turnsThrough(stack, next, MESSAGES[logic]);
  const body = () => ({ message: MESSAGES[logic], thread_id: next() });
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      over.throwIfAborted();
      await scaleTo(stack, size, through);
      for (const results of measured) {
        if (results.size !== size) continue;
        const all = results.way === 'interface' ? [through] : (await agents(stack)).map((agent) => agent.target(body));
        await askOnce(stack, service, all, results);
      }
    }
  }
  return measured;
}

/** What has the least left of what it may use, and how much it uses. */
function busiest({ size, way, usage }: Results): string {
  const parts = {
    'each agent': median(usage.agents) / size,
    'the interface': way === 'interface' ? median(usage.interface) : 0,
    'the database': median(usage.database),
    'the machine': median(usage.machine) / cpus().length,
  };
  const [[name, part]] = Object.entries(parts).sort((a, b) => b[1] - a[1]) as [[string, number]];
  return `${part < BUSY ? 'nothing: ' : ''}${name}, ${(part * 100).toFixed(0)} %`;
}

function rowsOf(label: string, measured: readonly Results[]): string[][] {
  return measured.map((results) => {
    const { way, size, rates, usage } = results;
    const [first] = measured.filter((one) => one.way === way);
    const ratio = median(rates) / median(first?.rates ?? []);
    return [
      `${label}, ${WAYS[way]}, ${size}`,
      `**${((ratio * (first?.size ?? 1)) / size).toFixed(2)}**`,
      ratio.toFixed(2),
      median(rates).toFixed(0),
      spread(rates, 0),
      ...[usage.agents, usage.interface, usage.database, usage.machine].map((used) => median(used).toFixed(2)),
      busiest(results),
    ];
  });
}

const rows: string[][] = [];
const versions = new Set<string>();
await inFolder('scale', async (folder) => {
  for (const [id, { label, service }] of Object.entries(databases)) {
    for (const logic of Object.keys(logics) as LogicId[]) {
      if (!names.includes(`${id}-${logic}`)) continue;
      console.error(`${id}-${logic} ...`);
      await using(await generate(folder, 'scale', id, logic), async (stack) => {
        stack.configure('RATE_LIMIT=', 'AGENT_PORT=', `HISTORY_WINDOW=${WINDOW}`);
        await stack.compose('up', '--build', '--detach', '--wait');
        versions.add(await versionsOf(stack, service));
        rows.push(...rowsOf(`${label}, ${logics[logic].label}`, await measure(stack, service, logic)));
      });
    }
  }
});
const used = ['agents', 'interface', 'database', 'machine'].map((part) => `CPU of ${part}`);
const heads = ['', 'efficiency', `/ ${sizes[0]}`, 'turns/s', 'from–to', ...used, 'busy'];
console.log(
  `${circumstances(dockerVersion(), ...versions, `${rounds} rounds of ${SECONDS} s`)}\n\n${table(heads, rows)}`,
);
