/**
 * How long a project takes to start, and to put a changed line into service, for every database:
 *
 *     npm run bench:start                          5 rounds for each database
 *     npm run bench:start -- --rounds 3 postgres   fewer rounds, one database
 *
 * A start is `docker compose up --wait` until all three tiers are healthy, with images that are built: warm where the data
 * is there, and on an empty volume. A swap is `docker compose up --build --wait` of the agent after one line has changed.
 * The peer is the least that one could start instead: the same image of the database with nothing set, and FastAPI with
 * nothing in it, on the same image of Python. The two take turns. `./deploy.sh`, which backs up, tries a new agent first and
 * verifies, takes turns with `docker compose up --detach --build --wait` of the same project and the same change. The
 * imports of the agent are listed below. Prints tables in Markdown.
 */
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { logics } from '../generators/agent/logics/index.ts';
import { type DatabaseId, databases } from '../generators/db/databases/index.ts';
import type { Stack } from '../test/support/docker.ts';
import { bareStack } from './bare.ts';
import { containerCpuSeconds } from './cpu.ts';
import { within } from './limits.ts';
import { readOptions } from './options.ts';
import { generate, inFolder, using, versionsOf } from './project.ts';
import { circumstances, dockerVersion, median, spread, table } from './tables.ts';

const LOGIC = 'langgraph'; // imports more
const MOST_MINUTES = 20; // for one database
const LARGEST = 10; // packages that are listed
const GOALS = { database: 'postgres', warm: 5, swap: 3 } as const; // seconds
const MOST_TIMES = 2; // as long as Compose alone, which a deployment may take
/** What is changed before a deployment, each a file or none. */
const CHANGES = {
  'no change': undefined,
  'a line in agent/logic.py': 'agent/logic.py',
  'a line in interface/main.py': 'interface/main.py',
} as const;

const { rounds, names } = readOptions({ rounds: 5, sizes: [], names: Object.keys(databases) });

/** In seconds, of each round. */
interface Times {
  readonly warm: number[];
  /** Of the processor, until all is healthy: of the containers and what checks their health. */
  readonly cpu: number[];
  readonly empty: number[];
  readonly swap: number[];
}

/** In seconds, of each round: a deployment, and Compose doing the same. */
type Deployments = Record<keyof typeof CHANGES, { deploy: number[]; compose: number[] }> &
  Record<'verify' | 'backup', number[]>;

interface Imports {
  readonly wall: readonly number[];
  readonly cpu: readonly number[];
  /** Milliseconds that the modules of each package take themselves, the largest first. */
  readonly packages: readonly (readonly [name: string, milliseconds: number])[];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function succeed(stack: Stack, ...command: [string, ...string[]]): Promise<void> {
  const { status, output } = await stack.run(...command);
  if (status !== 0) throw new Error(output);
}

function deploy(stack: Stack): Promise<void> {
  return succeed(stack, './deploy.sh');
}

async function cpuOf(stack: Stack): Promise<number> {
  const containers = (await stack.compose('ps', '--quiet')).split('\n');
  const used = await Promise.all(containers.map(containerCpuSeconds));
  return used.reduce((sum, each) => sum + each);
}

/** One round: everything is away before each start. `code` is a file of the agent. */
async function startOnce(stack: Stack, code: string, times: Times): Promise<void> {
  const up = (...what: string[]) => stack.compose('up', '--detach', '--wait', ...what);
  const change = () => appendFileSync(path.join(stack.folder, code), `# changed ${Date.now()}\n`);
  await stack.compose('down', '--volumes');
  times.empty.push(await seconds(() => up()));
  await stack.compose('down');
  times.warm.push(await seconds(() => up()));
  times.cpu.push(await cpuOf(stack));
  change();
  times.swap.push(await seconds(() => up('--build', `${stack.name}-agent`)));
}

/** Deployments of a project that runs. */
async function measureDeployments(stack: Stack): Promise<Deployments> {
  const none = () => ({ deploy: [], compose: [] });
  const times: Deployments = {
    ...{ 'no change': none(), 'a line in agent/logic.py': none(), 'a line in interface/main.py': none() },
    ...{ verify: [], backup: [] },
  };
  const change = (file: string | undefined) =>
    file && appendFileSync(path.join(stack.folder, file), `# changed ${Date.now()}\n`);
  await deploy(stack);
  for (let round = 0; round < rounds; round++) {
    for (const [what, file] of Object.entries(CHANGES) as [keyof typeof CHANGES, string | undefined][]) {
      change(file);
      times[what].compose.push(await seconds(() => stack.compose('up', '--detach', '--build', '--wait')));
      change(file);
      times[what].deploy.push(await seconds(() => deploy(stack)));
    }
    for (const command of ['verify', 'backup'] as const) {
      times[command].push(await seconds(() => succeed(stack, 'ops/three-tier', command)));
    }
  }
  return times;
}

async function measure(ours: Stack, bare: Stack): Promise<[Times, Times]> {
  const over = within(MOST_MINUTES);
  const contenders = [
    [ours, 'agent/logic.py'],
    [bare, 'main.py'],
  ] as const;
  const times = contenders.map((): Times => ({ warm: [], cpu: [], empty: [], swap: [] }));
  for (const [stack] of contenders) await stack.compose('build');
  for (let round = 0; round < rounds; round++) {
    for (const [n, [stack, code]] of contenders.entries()) {
      over.throwIfAborted();
      await startOnce(stack, code, times[n] as Times);
    }
  }
  return times as [Times, Times];
}

/** Imports what the agent does, in its own image, as it runs: nothing can be written there. */
async function python(stack: Stack, ...words: string[]): Promise<string> {
  const limits = ['--cpus', '1', '--network', 'none', '--read-only'];
  const image = `${stack.name}-agent`;
  return stack.docker('run', '--rm', ...limits, image, 'sh', '-c', 'exec python "$@" 2>&1', 'python', ...words);
}

async function measureImports(stack: Stack): Promise<Imports> {
  const timed =
    'import time; start = time.monotonic(); import asyncio, main; asyncio.run(main.load().__aenter__()); print(time.process_time(), time.monotonic() - start)';
  const [wall, cpu]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const [used = 0, passed = 0] = (await python(stack, '-c', timed)).split(' ').map(Number);
    cpu.push(used * 1000);
    wall.push(passed * 1000);
  }
  const each = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, time] of perPackage(
      await python(stack, '-X', 'importtime', '-c', 'import asyncio, main; asyncio.run(main.load().__aenter__())'),
    )) {
      each.set(name, [...(each.get(name) ?? []), time]);
    }
  }
  const packages = [...each].map(([name, times]) => [name, median(times)] as const);
  return { wall, cpu, packages: packages.sort((a, b) => b[1] - a[1]) };
}

/** From what `python -X importtime` tells of each module: its own microseconds, those with what it imports, its name. */
function perPackage(told: string): Map<string, number> {
  const packages = new Map<string, number>();
  for (const [, micros, name] of told.matchAll(/^import time: +(\d+) \| +\d+ \| +(\w+)/gm)) {
    packages.set(name as string, (packages.get(name as string) ?? 0) + Number(micros) / 1000);
  }
  return packages;
}

function startTable(measured: ReadonlyMap<string, readonly [Times, Times]>): string {
  const heads = ['', 'warm / bare', 'warm s', 'from–to', 'bare s', 'CPU s', 'bare CPU s', 'empty volume s', 'bare s'];
  const rows = [...measured].map(([label, [ours, bare]]) => [
    label,
    `**${(median(ours.warm) / median(bare.warm)).toFixed(2)}**`,
    median(ours.warm).toFixed(1),
    spread(ours.warm, 1),
    ...[bare.warm, ours.cpu, bare.cpu, ours.empty, bare.empty].map((times) => median(times).toFixed(1)),
  ]);
  return table(heads, rows);
}

function swapTable(measured: ReadonlyMap<string, readonly [Times, Times]>): string {
  const heads = ['', 'swap / bare', 'swap s', 'from–to', 'bare s'];
  const rows = [...measured].map(([label, [ours, bare]]) => [
    label,
    `**${(median(ours.swap) / median(bare.swap)).toFixed(2)}**`,
    median(ours.swap).toFixed(1),
    spread(ours.swap, 1),
    median(bare.swap).toFixed(1),
  ]);
  return table(heads, rows);
}

function deploymentTable([label, times]: readonly [string, Deployments]): string {
  const heads = [label, 'deploy / Compose', '`./deploy.sh` s', 'from–to', '`up --detach --build --wait` s', 'from–to'];
  const rows = (Object.keys(CHANGES) as (keyof typeof CHANGES)[]).map((what) => {
    const { deploy, compose } = times[what];
    return [
      what,
      `**${(median(deploy) / median(compose)).toFixed(2)}**`,
      ...[median(deploy).toFixed(1), spread(deploy, 1), median(compose).toFixed(1), spread(compose, 1)],
    ];
  });
  for (const command of ['verify', 'backup'] as const) {
    rows.push([
      `\`ops/three-tier ${command}\``,
      '',
      median(times[command]).toFixed(1),
      spread(times[command], 1),
      '',
      '',
    ]);
  }
  return table(heads, rows);
}

function importTable(measured: ReadonlyMap<string, Imports>): string {
  const [first] = [...measured.values()];
  const rows = [...measured].map(([label, { wall, cpu }]) => [
    label,
    `**${(median(wall) / median(first?.wall ?? [])).toFixed(2)}**`,
    median(wall).toFixed(0),
    spread(wall, 0),
    median(cpu).toFixed(0),
  ]);
  return table(['import of the agent', '/ first', 'wall ms', 'from–to', 'CPU ms'], rows);
}

function packageTable([label, { packages }]: readonly [string, Imports]): string {
  const all = packages.reduce((sum, [, time]) => sum + time, 0);
  const row = (name: string, time: number) => [name, `${((time / all) * 100).toFixed(0)} %`, time.toFixed(0)];
  const rows = packages.slice(0, LARGEST).map(([name, time]) => row(`\`${name}\``, time));
  const others = packages.slice(LARGEST).reduce((sum, [, time]) => sum + time, 0);
  rows.push(row(`${packages.length - rows.length} others`, others));
  return table([label, 'of all', 'ms, itself'], rows);
}

const measured = new Map<string, readonly [Times, Times]>();
const deployments = new Map<string, Deployments>();
const imports = new Map<string, Imports>();
const versions = new Set<string>();
await inFolder('start', async (folder) => {
  for (const [id, { label, service }] of Object.entries(databases)) {
    if (!names.includes(id)) continue;
    console.error(`${id} ...`);
    await using(await generate(folder, 'start', id, LOGIC), async (ours) => {
      await using(await bareStack(folder, ours, id as DatabaseId), async (bare) => {
        measured.set(label, await measure(ours, bare));
      });
      deployments.set(label, await measureDeployments(ours));
      versions.add(await versionsOf(ours, service));
      imports.set(`${label}, ${logics[LOGIC].label}`, await measureImports(ours));
    });
    await using(await generate(folder, 'start', id, 'business'), async (other) => {
      await other.compose('build', `${other.name}-agent`);
      imports.set(`${label}, ${logics.business.label}`, await measureImports(other));
    });
  }
});
const [largest] = imports;
console.log(`${circumstances(dockerVersion(), ...versions, `${rounds} rounds`)}\n`);
const tables = [
  ...[startTable(measured), swapTable(measured), ...[...deployments].map(deploymentTable)],
  ...[importTable(imports), largest && packageTable(largest)],
];
console.log(tables.filter(Boolean).join('\n\n'));
const [goal] = measured.get(databases[GOALS.database].label) ?? [];
for (const kind of ['warm', 'swap'] as const) {
  const time = goal ? median(goal[kind]) : 0;
  if (time > GOALS[kind])
    console.error(`${GOALS.database}, ${kind}: ${time.toFixed(1)} s is more than ${GOALS[kind]} s`);
}
for (const [label, times] of deployments) {
  for (const what of Object.keys(CHANGES) as (keyof typeof CHANGES)[]) {
    const ratio = median(times[what].deploy) / median(times[what].compose);
    if (ratio > MOST_TIMES) console.error(`${label}, ${what}: ${ratio.toFixed(1)} times as long as Compose alone`);
  }
}
