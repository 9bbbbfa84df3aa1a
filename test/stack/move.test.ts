import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { countMessages, invent, readArchive, rounded, writeArchive } from '../support/archive.ts';
import { Client } from '../support/client.ts';
import { generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute, type Finished } from '../support/execute.ts';
import { figuresAtTheEnd } from '../support/figures.ts';
import { temporaryFolder } from '../support/folders.ts';
import { run } from '../support/generate.ts';
import { freePorts } from '../support/ports.ts';

const LOGIC = { logic: 'business', interface: 'api' } as const;
const IDS = Object.keys(databases) as DatabaseId[];
const DIRECTIONS = IDS.flatMap((from) => IDS.filter((to) => to !== from).map((to) => [from, to] as const));

/** One row a direction, printed at the end. */
const figures = figuresAtTheEnd();

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** A database of one kind, and a container of its agent that can move what is in it. */
class Side {
  readonly stack: Stack;
  readonly #mover: string;

  private constructor(stack: Stack) {
    this.stack = stack;
    this.#mover = `${stack.name}-transfer`;
  }

  static async start(database: DatabaseId): Promise<Side> {
    const choice = { database, ...LOGIC };
    const project = await generate(temporaryFolder(), `move-${database}`, choice, ...(await freePorts()));
    const side = new Side(await Stack.fresh(project));
    side.stack.configure();
    const { name } = side.stack;
    await side.stack.compose('build', `${name}-agent`);
    await side.stack.compose('up', '--detach', '--wait', `${name}-${databases[database].service}`);
    await side.stack.compose('run', '--detach', '--no-deps', '--name', side.#mover, `${name}-agent`, 'sleep', '1h');
    return side;
  }

  async move(command: string): Promise<void> {
    const { status, output } = await execute('/', 'bash', ['-c', `docker exec -i ${this.#mover} ${command}`]);
    assert.equal(status, 0, output);
  }

  async remove(): Promise<void> {
    await this.stack.docker('rm', '--force', this.#mover);
    await this.stack.remove();
  }
}

describe('all that is remembered, moved from each kind of database to each other', () => {
  const sides = new Map<DatabaseId, Side>();
  const folder = temporaryFolder();

  before(async () => {
    for (const id of IDS) sides.set(id, await Side.start(id));
  });
  after(async () => {
    for (const side of sides.values()) await side.remove();
  });

  for (const [from, to] of DIRECTIONS) {
    it(`${from} to ${to}`, async () => {
      const [source, target] = [sides.get(from), sides.get(to)] as [Side, Side];
      const prefix = `${from}-${to}`;
      const invented = invent(prefix, 20, 12);
      const [given, moved, back] = ['given', 'moved', 'back'].map((what) => path.join(folder, `${prefix}-${what}`));
      writeArchive(given as string, invented);
      await source.move(`python main.py import <${given}`);
      const took = await seconds(async () => {
        await source.move(`python main.py export >${moved}`);
        await target.move(`python main.py import <${moved}`);
      });
      await target.move(`python main.py import <${moved}`); // once more, and nothing is there twice
      await target.move(`python main.py export >${back}`);
      assert.deepEqual(readArchive(back as string, prefix), rounded(invented));
      const all = readArchive(moved as string);
      figures.push({
        direction: `${from} → ${to}`,
        messages: countMessages(all),
        seconds: took.toFixed(1),
        verified: 'yes',
      });
    });
  }
});

describe('a project that holds data, changed to another kind of database', () => {
  const [from, to] = IDS as [DatabaseId, DatabaseId];
  const invented = invent('invented', 200, 22);
  const volume = (id: DatabaseId) => `${stack.name}_${stack.name}_${databases[id].volume}`;
  let stack: Stack;
  let client: Client;
  let file: string;
  /** What was said before the move: thread, message and the whole answer by key. */
  const said: { thread: string; key: string; message: string; answer: string }[] = [];
  let pages: unknown[];

  const script = (...args: string[]) => execute(stack.folder, 'ops/three-tier', args);
  const readPages = async () => {
    const answers = [];
    for (const thread of new Set(said.map((turn) => turn.thread))) {
      for (let before = ''; ; ) {
        const { status, body } = await client.call('GET', `/v1/threads/${thread}/messages?limit=3${before}`);
        assert.equal(status, 200);
        for (const message of body.data) message.created_at = Date.parse(message.created_at);
        answers.push(body);
        if (!body.has_more) break;
        before = `&before=${body.data[0].id}`;
      }
    }
    return answers;
  };
  const change = async (database: DatabaseId) => {
    const { exitCode, lines } = await run(stack.folder, 'db', ['--database', database, '--yes']);
    assert.equal(exitCode, 0, lines.join('\n'));
  };
  const volumes = () => stack.docker('volume', 'ls', '--quiet', '--filter', `name=^${stack.name}_`);

  before(async () => {
    const choice = { database: from, ...LOGIC };
    stack = await Stack.fresh(
      await generate(temporaryFolder(), 'moved', choice, '--with', 'transfer', ...(await freePorts())),
    );
    stack.configure('RATE_LIMIT=');
    client = new Client(stack);
  });
  after(() => stack.remove());

  it(`is deployed with ${from}, and filled`, async () => {
    const deployed = await stack.deploy();
    assert.equal(deployed.status, 0, deployed.output);
    for (let thread = 0; thread < 2; thread++) {
      const id = await client.newThread();
      for (let turn = 0; turn < 4; turn++) {
        const [message, key] = [`add ${turn + 2} pounds of things`, `key-${thread}-${turn}`];
        const { status, body } = await client.say(id, message, key);
        assert.equal(status, 200);
        said.push({ thread: id, key, message, answer: JSON.stringify(body) });
      }
    }
    pages = await readPages();
    const given = path.join(temporaryFolder(), 'given');
    writeArchive(given, invented);
    const fill = `docker compose exec -T moved-agent python main.py import <${given}`;
    const { status, output } = await execute(stack.folder, 'bash', ['-c', fill]);
    assert.equal(status, 0, output);
  });

  it('is exported, with agent and interface stopped', async () => {
    const took = await seconds(async () => {
      const { status, stdout, output } = await script('export');
      assert.equal(status, 0, output);
      file = stdout.trim();
    });
    figures.push({
      direction: `ops/three-tier export, ${from}`,
      messages: countMessages(readArchive(file)),
      seconds: took.toFixed(1),
    });
    assert.equal(path.dirname(file), path.join(stack.folder, 'exports'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(await stack.compose('ps', '--services', '--status', 'running'), `moved-${databases[from].service}`);
    assert.deepEqual(readArchive(file, 'invented'), rounded(invented));
    assert.ok(countMessages(readArchive(file)) >= 10_000);
    const text = readFileSync(file, 'latin1');
    const env = readFileSync(path.join(stack.folder, '.env'), 'utf8');
    for (const [, secret] of env.matchAll(/^\w*(?:PASSWORD|TOKEN)=(.+)$/gm))
      assert.ok(!text.includes(secret as string));
  });

  it(`is changed to ${to}, whose volume is another one`, async () => {
    await change(to);
    const altered = path.join(temporaryFolder(), 'altered.jsonl.gz');
    const bytes = readFileSync(file);
    for (const wrong of [bytes.subarray(0, -1000), flipped(bytes)]) {
      writeFileSync(altered, wrong);
      const { status, output } = await script('import', altered);
      assert.equal(status, 1, output);
      assert.match(output, /altered\.jsonl\.gz is refused.* Nothing was changed\n$/);
    }
    assert.equal(await volumes(), volume(from));
  });

  it('survives kill -9 in the middle of the import, and goes on with the same command', async () => {
    const args = ['import', file];
    const importing = spawn('ops/three-tier', args, { cwd: stack.folder, detached: true, stdio: 'ignore' });
    const ended = once(importing, 'exit');
    const mover = `${stack.name}-transfer`;
    const holdsSomething = async () => {
      const { output } = await execute('/', 'docker', ['exec', mover, 'python', 'main.py', 'empty']);
      return /holds threads already/.test(output);
    };
    await until('the first thread is there', 120, holdsSomething);
    process.kill(-(importing.pid as number), 'SIGKILL');
    await ended;
    const partial = path.join(temporaryFolder(), 'partial');
    await execute('/', 'bash', ['-c', `docker exec ${mover} python main.py export >${partial}`]);
    const there = countMessages(readArchive(partial));
    assert.ok(there > 0 && there <= countMessages(readArchive(file)), `${there} messages were there`);

    let finished: Finished | undefined;
    const took = await seconds(async () => {
      finished = await script('import', file);
    });
    assert.equal(finished?.status, 0, finished?.output);
    assert.match(finished?.output ?? '', /✓ imported: every thread was read back/);
    figures.push({
      ...{
        direction: `ops/three-tier import, ${from} → ${to}, killed at ${there}`,
        messages: countMessages(readArchive(file)),
      },
      ...{ seconds: took.toFixed(1), verified: 'yes' },
    });
    assert.deepEqual((await volumes()).split('\n').sort(), [volume(from), volume(to)].sort());
    assert.ok(!existsSync(path.join(stack.folder, 'exports', `.${stack.name}.import`)));
  });

  it('has the same pages, and gives the same replies to the same keys', async () => {
    assert.deepEqual(await readPages(), pages);
    for (const { thread, key, message, answer } of said) {
      const { status, body } = await client.say(thread, message, key);
      assert.deepEqual([status, JSON.stringify(body)], [200, answer]);
    }
    assert.deepEqual(await readPages(), pages);
    const { body } = await client.say(said[0]?.thread as string, 'show');
    assert.match(body.reply, /things/, 'the conversation goes on');
  });

  it('refuses to import again, now that there is something', async () => {
    const { status, output } = await script('import', file);
    assert.equal(status, 1, output);
    assert.match(output, /holds threads already/);
    assert.match(output, new RegExp(`docker volume rm ${volume(to)}\n$`));
    assert.equal((await client.call('GET', `/v1/threads/${said[0]?.thread}/messages`)).status, 200, 'it serves on');
  });

  it(`has what it had when it goes back to ${from}`, async () => {
    await change(from);
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.deepEqual(await readPages(), pages);
    assert.deepEqual((await volumes()).split('\n').sort(), [volume(from), volume(to)].sort());
  });
});

/** The bytes with one in the middle changed. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  copy.writeUInt8(copy.readUInt8(middle) ^ 1, middle);
  return copy;
}
