import { setTimeout as sleep } from 'node:timers/promises';
import { type Stack, until } from '../support/docker.ts';
import { asRoot } from './disk.ts';
import { Random } from './random.ts';
import type { Target } from './target.ts';

/** Rounds of each fault. */
export const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 10);
export const SEED = process.env.CHAOS_SEED ?? '1';
/** Seconds that a pause lasts, and that the other faults last at most. */
const LONGEST = Number(process.env.CHAOS_SECONDS ?? 20);
/** Seconds that may pass after a fault until all is answered again; more on a machine that is busy otherwise. */
export const RECOVERY = Number(process.env.CHAOS_RECOVERY ?? 10);

/** Something that happens to one tier. It is over when the promise is fulfilled. */
type Fault = (target: Target, tier: string, seconds: number) => Promise<void>;

/** The process is gone, as after a crash. Docker's own kill would count as the user's wish, and nothing would restart. */
async function kill({ stack }: Target, tier: string): Promise<void> {
  await asRoot('kill', '-KILL', String(await processOf(stack, tier)));
}

async function stop({ stack }: Target, tier: string, seconds: number): Promise<void> {
  const container = await stack.container(tier);
  await stack.docker('stop', container);
  await sleep(seconds * 1000);
  await stack.docker('start', container);
}

async function pause({ stack }: Target, tier: string, seconds: number): Promise<void> {
  const container = await stack.container(tier);
  const freeze = async () => (await stack.docker('pause', container)) === container;
  await until(`${tier} is paused`, 10, freeze); // what is just being started cannot be frozen
  await sleep(seconds * 1000);
  await stack.docker('unpause', container);
}

/** The tier is cut off from all networks; when it comes back, its addresses may be others. */
async function network({ stack }: Target, tier: string, seconds: number): Promise<void> {
  const container = await stack.container(tier);
  const networks = (await stack.inspect(tier, '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'))
    .trim()
    .split(' ');
  for (const network of networks) await stack.docker('network', 'disconnect', network, container);
  await sleep(seconds * 1000);
  for (const network of networks) {
    await stack.docker('network', 'connect', '--alias', `${stack.name}-${tier}`, network, container);
  }
}

/**
 * Nothing can be written any more. Halfway the server dies of it, as MongoDB and Redis do by themselves: so it has to
 * wait for the room that it needs to start.
 */
async function disk(target: Target, tier: string, seconds: number): Promise<void> {
  const { stack, disk } = target;
  const folder = await stack.inspect(tier, '{{range .Mounts}}{{if eq .Type "volume"}}{{.Destination}}{{end}}{{end}}');
  await disk.fill();
  try {
    const write = `head -c 8m /dev/zero >${folder}/probe; rm -f ${folder}/probe`;
    // Asked again where the server ends in that moment, and with it what was asked inside.
    await until(`${tier} finds no room`, 10, async () =>
      /No space left|is restarting|is not running/.test((await stack.inside(tier, ['sh', '-c', write])).output),
    );
    await sleep(seconds * 500);
    await kill(target, tier);
    await sleep(seconds * 500);
  } finally {
    await disk.free();
  }
}

/** The memory limit is hit, and the kernel kills the tier's own processes rather than what took the memory. */
async function memory({ stack }: Target, tier: string): Promise<void> {
  const container = await stack.container(tier);
  const main = await processOf(stack, tier);
  const processes = (await stack.docker('top', container, '-eo', 'pid')).split('\n').slice(1).map(Number);
  for (const id of processes.filter((id) => id !== main)) {
    await asRoot('sh', '-c', `echo 1000 >/proc/${id}/oom_score_adj`).catch(() => undefined); // it may have ended
  }
  const since = new Date().toISOString();
  await stack.inside(tier, ['sh', '-c', 'head -c 2G /dev/zero | tail']);
  const filters = ['--filter', 'event=oom', '--filter', `container=${container}`];
  // The engine hears of it somewhat later than the process that was killed.
  await until(`the memory limit of ${tier} is hit`, 10, async () =>
    Boolean(await stack.docker('events', '--since', since, '--until', new Date().toISOString(), ...filters)),
  );
}

const FAULTS: Record<string, Fault> = { kill, stop, pause, network, disk, memory };

/** One round: what happens to which tiers. */
export interface Round {
  readonly fault: string;
  readonly title: string;
  readonly struck: readonly { tier: string; delay: number; seconds: number }[];
}

/** All rounds in random order, each fault on tiers in random order and number. The seed and the name repeat them. */
export function rounds(name: string, database: string): Round[] {
  const random = new Random(`${SEED} ${name}`);
  const all = Object.keys(FAULTS).flatMap((fault) => Array.from({ length: ROUNDS }, () => fault));
  return random.shuffled(all).map((fault) => {
    const tiers = fault === 'disk' ? [database] : [database, 'agent', 'interface'];
    const struck = random.some(tiers).map((tier) => ({
      tier,
      delay: random.between(0, 2),
      seconds: fault === 'pause' ? LONGEST : random.between(1, LONGEST),
    }));
    return { fault, title: `${fault} ${struck.map(({ tier }) => tier).join(', ')}`, struck };
  });
}

/** Lets a round happen; fulfilled when all of it is over. */
export async function strike(target: Target, { fault, struck }: Round): Promise<void> {
  await Promise.all(
    struck.map(async ({ tier, delay, seconds }) => {
      await sleep(delay * 1000);
      await FAULTS[fault]?.(target, tier, seconds);
    }),
  );
}

/** The id of a tier's first process, as this machine counts. */
async function processOf(stack: Stack, tier: string): Promise<number> {
  let id = 0;
  await until(`${tier} runs`, 60, async () => {
    id = Number(await stack.inspect(tier, '{{.State.Pid}}'));
    return id > 0;
  });
  return id;
}
