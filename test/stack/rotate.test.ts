import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { figuresAtTheEnd } from '../support/figures.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';
import { Traffic } from '../support/traffic.ts';

/** Logs in as the agent does, by the password in its environment. */
const asAgent = (database: DatabaseId) => `
import asyncio
from three_tier.agent.${database} import build_memory
from three_tier.agent.settings import Settings

async def main():
    memory = build_memory(Settings())
    try:
        await memory.ping()
    finally:
        await memory.close()

asyncio.run(main())
`;

/** Logs in as the administrator, over TCP, by the password in PASSWORD. */
const AS_ADMINISTRATOR: Record<DatabaseId, string> = {
  postgres: 'PGPASSWORD=$PASSWORD psql -Xqw -h 127.0.0.1 -U postgres -c "select 1"',
  redis: 'REDISCLI_AUTH=$PASSWORD redis-cli -e -h 127.0.0.1 --user admin ping',
  mongo: 'mongosh --quiet --norc "mongodb://root:$PASSWORD@127.0.0.1/admin" --eval "db.hello().ok"',
};

const SECRETS = ['DB_PASSWORD', 'DB_ADMIN_PASSWORD', 'AGENT_TOKEN', 'API_KEYS'] as const;
type Secrets = Record<(typeof SECRETS)[number], string>;

/** One row a scenario, printed at the end. */
const scenarios = figuresAtTheEnd();

for (const database of Object.keys(databases) as DatabaseId[]) {
  describe(`new secrets for ${database}`, () => {
    const { service } = databases[database];
    let stack: Stack;

    const secrets = () => Object.fromEntries(SECRETS.map((name) => [name, stack.setting(name)])) as Secrets;
    const keys = () =>
      secrets()
        .API_KEYS.split(',')
        .map((entry) => entry.split(':')[1] as string);
    const env = (end: string) => path.join(stack.folder, `.env${end}`);

    async function rotate(scenario: string): Promise<string> {
      const start = performance.now();
      const { status, output } = await stack.run('ops/three-tier', 'rotate');
      scenarios.push({ database, scenario, seconds: ((performance.now() - start) / 1000).toFixed(1) });
      assert.equal(status, 0, output);
      return output;
    }

    /** Starts a rotation, and kills all of it as soon as a file is there. */
    async function rotateUntil(file: string): Promise<void> {
      const script = spawn('ops/three-tier', ['rotate'], { cwd: stack.folder, detached: true, stdio: 'ignore' });
      const ended = once(script, 'close');
      await until(`${file} is there`, 120, async () => existsSync(file));
      process.kill(-(script.pid as number), 'SIGKILL');
      await ended;
      assert.ok(existsSync(file), 'it was killed in the middle');
    }

    async function agentIsLetIn(password: string): Promise<boolean> {
      const command = ['env', `DATABASE_PASSWORD=${password}`, 'python', '-'];
      const { status, output } = await stack.inside('agent', command, asAgent(database));
      if (status !== 0) assert.match(output, /DB_PASSWORD/, 'it is refused, not away');
      return status === 0;
    }

    async function administratorIsLetIn(password: string): Promise<boolean> {
      const command = ['env', `PASSWORD=${password}`, 'sh', '-c', AS_ADMINISTRATOR[database]];
      return (await stack.inside(service, command)).status === 0;
    }

    async function agentTakes(token: string): Promise<boolean> {
      const { status } = await fetch(`http://127.0.0.1:${stack.setting('AGENT_PORT')}/info`, {
        headers: { Authorization: `Bearer ${token}`, 'X-Thread-Owner': 'tests' },
      });
      return status === 200;
    }

    async function keyIsTaken(key: string): Promise<boolean> {
      const { status } = await fetch(`http://127.0.0.1:${stack.setting('INTERFACE_PORT')}/v1/models`, {
        headers: { Authorization: `Bearer ${key}` },
      });
      assert.ok(status === 200 || status === 401, String(status));
      return status === 200;
    }

    async function assertOnlyNewAreValid(before: Secrets): Promise<void> {
      const now = secrets();
      for (const name of SECRETS) assert.notEqual(now[name], before[name], name);
      assert.deepEqual([await agentIsLetIn(before.DB_PASSWORD), await agentIsLetIn(now.DB_PASSWORD)], [false, true]);
      const administrators = [before.DB_ADMIN_PASSWORD, now.DB_ADMIN_PASSWORD];
      assert.deepEqual(await Promise.all(administrators.map(administratorIsLetIn)), [false, true]);
      assert.deepEqual([await agentTakes(before.AGENT_TOKEN), await agentTakes(now.AGENT_TOKEN)], [false, true]);
    }

    before(async () => {
      const choice = { database, logic: 'business', interface: 'api' } as const;
      stack = await Stack.fresh(
        await generate(temporaryFolder(), `rotate-${database}`, choice, ...(await freePorts())),
      );
      stack.configure('RATE_LIMIT=');
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
    });
    after(() => stack.remove());

    it('come into use under load, and nothing that was acknowledged is lost', async () => {
      const before = secrets();
      const [oldKey = ''] = keys();
      const traffic = await Traffic.start([new Client(stack)], 4);
      const output = await rotate('under load');
      const tally = await traffic.stop();
      const { sent } = tally;
      assert.deepEqual(tally, { sent, acknowledged: sent, lost: 0, doubled: 0, ordered: true });
      assert.ok(sent > 20, `only ${sent} turns were sent`);
      await assertOnlyNewAreValid(before);
      assert.equal(keys()[1], oldKey, 'beside the new key there is the one before');
      assert.deepEqual(await Promise.all(keys().map(keyIsTaken)), [true, true]);
      assertNothingIsTold(output);
    });

    it('are made once, however often that is killed', async () => {
      const before = secrets();
      const [firstKey = '', oldestKey = ''] = keys();
      await rotateUntil(env('.rotation'));
      const deployment = await stack.deploy();
      assert.equal(deployment.status, 1, deployment.output);
      assert.match(deployment.output, /ops\/three-tier rotate goes on/);
      await rotateUntil(env('.rotated'));
      const made = secrets();
      await rotate('after two kills');
      assert.deepEqual(secrets(), made, 'the second and the third run went on with what the first had made');
      await assertOnlyNewAreValid(before);
      assert.deepEqual(keys().slice(1), [firstKey]);
      assert.deepEqual(await Promise.all([firstKey, oldestKey].map(keyIsTaken)), [true, false]);
      const left = readdirSync(stack.folder).filter((file) => file.startsWith('.env'));
      assert.deepEqual(left.sort(), ['.env', '.env.template']);
      assert.equal(statSync(env('')).mode & 0o777, 0o600);
    });

    function assertNothingIsTold(output: string): void {
      const logs = path.join(stack.folder, 'logs');
      const told = [output, ...readdirSync(logs).map((file) => readFileSync(path.join(logs, file), 'utf8'))].join('\n');
      for (const value of [...Object.values(secrets()), ...keys()])
        assert.ok(!told.includes(value), 'a secret is told');
    }
  });
}
