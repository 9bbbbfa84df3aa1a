/**
 * What a project takes on its machine: memory of each container, idle and after load, and the size of its images:
 *
 *     npm run bench:footprint                                   every database and logic, 3 rounds
 *     npm run bench:footprint -- --rounds 1 postgres-langgraph  fewer rounds, one pair
 *     npm run bench:footprint -- --ten                          ten projects at once, and what they leave of 4 GiB
 *
 * Memory is what the control group of a container counts without cached files: idle some seconds after everything is
 * healthy, then after 16 connections have asked for some seconds, each in a conversation of its own. The peer is FastAPI
 * with nothing in it, on the same image of Python. Each round starts all containers anew, and the projects take turns.
 * Prints tables in Markdown.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type LogicId, logics } from '../generators/agent/logics/index.ts';
import { type DatabaseId, databases } from '../generators/db/databases/index.ts';
import { interfaces } from '../generators/interface/interfaces/index.ts';
import { Client } from '../test/support/client.ts';
import type { Stack } from '../test/support/docker.ts';
import { bareStack } from './bare.ts';
import { within } from './limits.ts';
import { load, type Target } from './load.ts';
import { memoryOf } from './memory.ts';
import { generate, inFolder, using } from './project.ts';
import { circumstances, dockerVersion, median, spread, table } from './tables.ts';
import { threadsOf, turnsThrough } from './turns-through.ts';

const CONNECTIONS = 16;
const SECONDS = 5; // of load
const SETTLE = 8_000; // milliseconds until a container counts as idle
const MOST_MINUTES = 10; // for one start of one project
const GOALS: Record<LogicId, number> = { langgraph: 115, business: 80 }; // MiB of agent and interface, idle
const MANY = 10;
const SERVER = 4096; // MiB of the server that many are to fit on

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, ten: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);

/** MiB, of each round. */
interface Memory {
  readonly idle: number[];
  readonly loaded: number[];
}

interface Contender {
  readonly stack: Stack;
  readonly label: string;
  readonly logic?: LogicId;
  /** The services that are looked at, and how the table calls them. */
  readonly tiers: Readonly<Record<string, Memory>>;
  /** What is asked, if it answers without somebody who signs in. */
  readonly target?: (stack: Stack) => Promise<Target>;
}

/** What an image adds to its base. */
interface Size {
  readonly label: string;
  readonly image: number; // MiB
  readonly packages: number;
  readonly installed: number; // MiB
}

const memory = (): Memory => ({ idle: [], loaded: [] });

async function turns(stack: Stack): Promise<Target> {
  return turnsThrough(stack, await threadsOf(stack), 'add 2 milk and bread');
}

async function project(folder: string, database: DatabaseId, logic: LogicId, way = 'api'): Promise<Contender> {
  const stack = await generate(folder, 'footprint', database, logic, way);
  stack.configure('RATE_LIMIT=');
  const { label, service } = databases[database];
  return {
    stack,
    label: `${label}, ${logics[logic].label}${way === 'api' ? '' : `, ${interfaces[way as 'web'].label}`}`,
    logic,
    tiers: { agent: memory(), interface: memory(), [service]: memory() },
    ...(way === 'api' ? { target: turns } : {}),
  };
}

async function bare(folder: string, ours: Stack): Promise<Contender> {
  const stack = await bareStack(folder, ours, 'postgres');
  const target = async () => {
    const address = await stack.compose('port', `${stack.name}-agent`, '8000');
    return { url: `http://${address}/invoke`, headers: {}, body: () => ({ message: 'hello' }) };
  };
  return { stack, label: 'bare FastAPI', tiers: { agent: memory(), database: memory() }, target };
}

async function measureOnce({ stack, tiers, target }: Contender): Promise<void> {
  const over = within(MOST_MINUTES);
  await stack.compose('up', '--build', '--force-recreate', '--detach', '--wait');
  await sleep(SETTLE, undefined, { signal: over });
  const ids = await Promise.all(Object.keys(tiers).map((tier) => stack.container(tier)));
  const note = async (kind: keyof Memory) => {
    const found = await Promise.all(ids.map(memoryOf));
    for (const [n, tier] of Object.values(tiers).entries()) tier[kind].push(found[n] as number);
  };
  await note('idle');
  if (target) {
    await load(await target(stack), CONNECTIONS, SECONDS);
    await note('loaded');
  }
  await stack.compose('down', '--volumes');
}

const COUNT = `
import pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
names = [each for each in site.glob("*.dist-info") if not each.name.startswith("pip-")]
files = [each for each in site.rglob("*") if each.is_file() and each.relative_to(site).parts[0] not in ("pip",)]
print(len(names), sum(each.stat().st_blocks for each in files) * 512)
`;

async function sizeOf(stack: Stack, tier: string, label: string, place = tier): Promise<Size> {
  const image = `${stack.name}-${tier}`;
  const bytes = async (name: string) => Number(await stack.docker('image', 'inspect', '--format', '{{.Size}}', name));
  const base = /^FROM (\S+)/m.exec(readFileSync(path.join(stack.folder, place, 'Dockerfile'), 'utf8'))?.[1];
  const [packages = 0, installed = 0] = (await stack.docker('run', '--rm', image, 'python', '-c', COUNT))
    .split(' ')
    .map(Number);
  return {
    label,
    image: ((await bytes(image)) - (await bytes(base as string))) / 2 ** 20,
    packages,
    installed: installed / 2 ** 20,
  };
}

function idleOf({ tiers }: Contender): number {
  return median(tiers.agent?.idle ?? []) + (tiers.interface ? median(tiers.interface.idle) : 0);
}

function memoryTable(contenders: readonly Contender[]): string {
  const [peer] = contenders.filter(({ logic }) => !logic);
  const base = peer ? idleOf(peer) : Number.NaN;
  const cells = ({ idle, loaded }: Memory = memory()) => [
    ...(idle.length ? [median(idle).toFixed(0), spread(idle, 0)] : ['–', '–']),
    loaded.length ? median(loaded).toFixed(0) : '–',
  ];
  const rows = contenders.map((one) => {
    const { agent, interface: way, ...others } = one.tiers;
    const database = Object.values(others)[0];
    return [
      one.label,
      `**${(median(agent?.idle ?? []) / base).toFixed(2)}**`,
      idleOf(one).toFixed(0),
      ...[agent, way, database].flatMap(cells),
    ];
  });
  const heads = ['agent', 'interface', 'database'].flatMap((tier) => [`${tier} idle`, 'from–to', 'loaded']);
  return table(['MiB', 'agent / bare', 'agent + interface idle', ...heads], rows);
}

function sizeTable(sizes: readonly Size[]): string {
  const base = sizes.at(-1)?.image ?? Number.NaN;
  const rows = sizes.map(({ label, image, packages, installed }) => [
    label,
    `**${(image / base).toFixed(1)}**`,
    image.toFixed(0),
    String(packages),
    installed.toFixed(0),
  ]);
  return table(['image', 'layers / bare', 'layers over the base, MiB', 'packages', 'installed, MiB'], rows);
}

/** Everything that is asked for: the pairs with the API, the other interfaces with the first pair, and the peer. */
async function contendersIn(folder: string): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const database of Object.keys(databases) as DatabaseId[]) {
    for (const logic of Object.keys(logics) as LogicId[]) {
      if (positionals.length && !positionals.includes(`${database}-${logic}`)) continue;
      contenders.push(await project(folder, database, logic));
    }
  }
  const [first] = contenders;
  if (!first) throw new Error(`There is no pair called ${positionals.join(' or ')}.`);
  if (!positionals.length) contenders.push(await project(folder, 'postgres', 'langgraph', 'web'));
  return [...contenders, await bare(folder, first.stack)];
}

async function measureEach(folder: string): Promise<void> {
  const contenders = await contendersIn(folder);
  const sizes: Size[] = [];
  const measure = async ([next, ...rest]: readonly Contender[]): Promise<void> => {
    if (next) return using(next.stack, () => measure(rest));
    for (let round = 0; round < rounds; round++) {
      for (const one of contenders) {
        console.error(`${one.label} ...`);
        await measureOnce(one);
      }
    }
    for (const { stack, label, logic } of contenders) {
      if (!logic) sizes.push(await sizeOf(stack, 'agent', label, '.'));
      else for (const tier of ['agent', 'interface']) sizes.push(await sizeOf(stack, tier, `${label}: ${tier}`));
    }
  };
  await measure(contenders);
  const notes = [`${rounds} rounds`, 'the Telegram bot is left out, as it does not start without a token'];
  console.log(`${circumstances(dockerVersion(), ...notes)}\n\n${memoryTable(contenders)}\n\n${sizeTable(sizes)}`);
  for (const one of contenders) {
    const goal = one.logic && GOALS[one.logic];
    const idle = idleOf(one);
    if (goal && idle > goal) console.error(`${one.label}: ${idle.toFixed(0)} MiB is more than ${goal} MiB`);
  }
}

/** MiB that programs can still have on this machine. */
function available(): number {
  return Number(/^MemAvailable: +(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024;
}

async function answers(stack: Stack): Promise<void> {
  const client = new Client(stack);
  await client.insist(await client.newThread(), 'hello');
}

async function measureMany(folder: string): Promise<void> {
  const stacks: Stack[] = [];
  const before = available();
  const add = async (): Promise<void> => {
    const over = within(MOST_MINUTES);
    const stack = await generate(folder, `footprint-${stacks.length + 1}`, 'postgres', 'langgraph');
    stacks.push(stack);
    await using(stack, async () => {
      console.error(`${stack.name} ...`);
      await stack.compose('up', '--build', '--detach', '--wait');
      over.throwIfAborted();
      if (stacks.length < MANY) return add();
      await sleep(SETTLE, undefined, { signal: over });
      await tellMany(stacks, before);
    });
  };
  await add();
}

async function tellMany(stacks: readonly Stack[], before: number): Promise<void> {
  for (const stack of stacks) await answers(stack);
  const of = (tier: string) => Promise.all(stacks.map((stack) => stack.container(tier)));
  const tiers = { agents: await of('agent'), interfaces: await of('interface'), databases: await of('postgres') };
  const rows: string[][] = [];
  const row = (what: string, used: number) => [what, `**${(used / SERVER).toFixed(2)}**`, used.toFixed(0)];
  let all = 0;
  for (const [tier, ids] of Object.entries(tiers)) {
    let used = 0;
    for (const id of ids) used += await memoryOf(id);
    all += used;
    rows.push(row(`${ids.length} ${tier}`, used));
  }
  const whole = before - available();
  rows.push(row('all containers', all), row('the whole machine, with what Docker needs for them', whole));
  rows.push(row('left', SERVER - Math.max(all, whole)));
  const notes = `${stacks.length} projects, all healthy, each asked through its interface`;
  console.log(`${circumstances(dockerVersion(), notes)}\n\n${table(['', `/ ${SERVER} MiB`, 'MiB'], rows)}`);
}

await inFolder('footprint', values.ten ? measureMany : measureEach);
