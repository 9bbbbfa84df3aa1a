import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { type Combination, generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';

const WRONG_PASSWORD = 'a-password-that-nobody-has';
/** Long, so that a full disk is noticed soon. */
const LONG_MESSAGE = 'x'.repeat(190);

for (const [id, { service }] of Object.entries(databases)) {
  describe(`an agent that cannot work with its ${id}`, () => {
    const choice = { database: id, logic: 'business', interface: 'api' } as Combination;
    let stack: Stack;
    let client: Client;
    let url: URL;
    const disk = path.join(temporaryFolder(), 'disk');

    before(async () => {
      stack = await Stack.fresh(await generate(temporaryFolder(), `misfit-${id}`, choice, ...(await freePorts())));
      stack.configure('RATE_LIMIT=');
      const { volumes, services } = JSON.parse(await stack.compose('config', '--format', 'json'));
      url = new URL(services[`${stack.name}-agent`].environment.DATABASE_URL);
      await smallDisk(disk, 320);
      const small = { driver_opts: { type: 'none', device: disk, o: 'bind' } };
      const override = { volumes: Object.fromEntries(Object.keys(volumes).map((volume) => [volume, small])) };
      writeFileSync(path.join(stack.folder, 'docker-compose.override.yml'), JSON.stringify(override));
      await stack.compose('up', '--build', '--detach', '--wait');
      client = new Client(stack);
    });
    after(async () => {
      await stack.remove();
      await execute('/', 'umount', [disk]);
    });

    /** Runs another agent with some variables changed; what it logged, and its exit code. */
    const start = async (variables: Record<string, string>) => {
      const changes = Object.entries({ STARTUP_TIMEOUT: '2', ...variables }).flatMap(([key, value]) => [
        '--env',
        `${key}=${value}`,
      ]);
      const args = ['compose', 'run', '--rm', '--no-deps', '-T', ...changes, `${stack.name}-agent`];
      return execute(stack.folder, 'docker', args);
    };
    const changed = (change: (url: URL) => void) => {
      const other = new URL(url);
      change(other);
      return other.href;
    };

    const mistakes: Record<string, { variables: () => Record<string, string>; named: RegExp }> = {
      'a wrong password': { variables: () => ({ DATABASE_PASSWORD: WRONG_PASSWORD }), named: /DB_PASSWORD/ },
      'a database that is not there': {
        variables: () => ({ DATABASE_URL: changed((other) => (other.pathname = '/elsewhere')) }),
        named: /DB_NAME/,
      },
      'a host that is not there': {
        variables: () => ({ DATABASE_URL: changed((other) => (other.hostname = 'nowhere')) }),
        named: /DATABASE_URL/,
      },
    };
    for (const [mistake, { variables, named }] of Object.entries(mistakes)) {
      it(`ends with one line that names the variable, given ${mistake}`, async () => {
        const { status, stdout, output } = await start(variables());
        assert.equal(status, 1, output);
        const lines = stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
        const [critical, ...others] = lines.filter(({ level }) => level === 'critical');
        assert.match(critical.reason, named);
        assert.deepEqual(others, []);
        assert.doesNotMatch(output, /Traceback/);
        for (const secret of [WRONG_PASSWORD, stack.setting('DB_PASSWORD'), stack.setting('AGENT_TOKEN')]) {
          assert.ok(!output.includes(secret), 'a secret is in the log');
        }
      });
    }

    it('answers 503 while the disk of the database is full, logs why, and works again once there is room', async () => {
      const thread = await client.newThread();
      await client.insist(thread, 'while there is room');
      const since = new Date().toISOString();
      const filler = path.join(disk, 'filler');
      assert.match((await execute('/', 'dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'])).output, /No space left/);
      await until('a message is refused', 60, async () => {
        const { status, body } = await client.say(thread, LONG_MESSAGE);
        if (status !== 200) assert.match(`${status} ${body.title}`, /^503 /);
        return status === 503;
      });
      const log = await execute(stack.folder, 'docker', ['logs', '--since', since, await stack.container('agent')]);
      assert.match(log.output, /"reason": "[^"]*(disk|its log)[^"]*"/);
      assert.doesNotMatch(log.output, /Traceback/);
      rmSync(filler);
      await stack.compose('restart', `${stack.name}-${service}`); // a database may end, or refuse everything, for good
      await client.insist(thread, 'there is room again');
      const messages = (await client.history(thread)).map(({ content }) => content);
      assert.ok(messages.includes('while there is room') && messages.includes('there is room again'));
    });
  });
}

/** Mounts a disk of so many MiB. */
async function smallDisk(folder: string, size: number): Promise<void> {
  mkdirSync(folder);
  const { status, output } = await execute('/', 'mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', folder]);
  if (status !== 0) throw new Error(output);
}
