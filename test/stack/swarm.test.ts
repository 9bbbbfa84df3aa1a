import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Client } from '../support/client.ts';
import { combinations, generate, label } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute, type Finished } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { Load } from '../support/load.ts';
import { freePorts } from '../support/ports.ts';

/** Any will do: what is tested is the stack, which is the same for all but for the start of the database. */
const combination = combinations.find(({ logic, interface: way }) => logic === 'business' && way === 'api');

/**
 * For a kernel without IPVS: no virtual addresses, and a port of the machine itself. As only one task at a time can have
 * that, the old interface has to go before the new one comes.
 */
const OVERRIDE = (port: string) => `services:
  interface:
    ports:
      - {target: 8080, published: ${port}, mode: host}
    deploy:
      endpoint_mode: dnsrr
      update_config: {order: stop-first}
`;

describe('a stack on Docker Swarm', () => {
  let stack: Stack;
  let client: Client;
  /** Whether the swarm is that of these tests. */
  let began = false;
  const secrets = ['DB_PASSWORD', 'DB_ADMIN_PASSWORD', 'AGENT_TOKEN', 'API_KEYS'];

  const file = (name: string) => path.join(stack.folder, name);
  const docker = (...args: string[]) => stack.docker(...args);
  const deploy = () => stack.run('ops/three-tier', 'swarm');
  const lines = (text: string) => text.split('\n').filter(Boolean).sort();
  const named = (kind: string) => docker(kind, 'ls', '--quiet', '--filter', `label=${namespace()}`).then(lines);
  const namespace = () => `com.docker.stack.namespace=${stack.name}`;
  /** The tasks that run, or of one service. */
  const tasks = async (service = '') => {
    const filter = [
      '--filter',
      'desired-state=running',
      ...(service ? ['--filter', `name=${stack.name}_${service}`] : []),
    ];
    return lines(await docker('stack', 'ps', '--quiet', ...filter, stack.name));
  };
  const talk = async () => assert.equal((await client.say(await client.newThread(), 'hello')).status, 200);
  const lastLine = ({ stderr }: Finished) => stderr.trimEnd().split('\n').at(-1) ?? '';

  /** Removes all that a run leaves, whether it came to its end or not. */
  const remove = async () => {
    await execute('/', 'docker', ['stack', 'rm', stack.name]);
    await until('the stack is gone', 120, async () => {
      const left = await Promise.all([
        docker('ps', '--all', '--quiet', '--filter', `label=${namespace()}`),
        docker('network', 'ls', '--quiet', '--filter', `label=${namespace()}`),
      ]);
      return left.join('') === '';
    });
    const volumes = await docker('volume', 'ls', '--quiet', '--filter', `name=^${stack.name}_`);
    if (volumes) await docker('volume', 'rm', ...lines(volumes));
    for (const tier of ['agent', 'interface']) {
      const images = lines(await docker('image', 'ls', '--quiet', `${stack.name}-${tier}`));
      if (images.length > 0) await docker('image', 'rm', '--force', ...new Set(images));
    }
    await execute('/', 'docker', ['node', 'update', '--label-rm', `${stack.name}-data`, 'self']);
  };

  before(async () => {
    assert.ok(combination);
    const folder = await generate(
      temporaryFolder(),
      `swarm-${label(combination)}`,
      combination,
      ...['--with', 'swarm'],
      ...(await freePorts()),
    );
    stack = new Stack(folder);
    began = (await docker('info', '--format', '{{.Swarm.LocalNodeState}}')) === 'inactive';
    if (began) await docker('swarm', 'init', '--advertise-addr', '127.0.0.1');
    await remove();
    stack.configure('RATE_LIMIT=', 'AGENT_REPLICAS=3');
    writeFileSync(file('stack.override.yml'), OVERRIDE(stack.setting('INTERFACE_PORT')));
    client = new Client(stack);
  });
  after(async () => {
    await remove();
    if (began) await docker('swarm', 'leave', '--force');
  });

  it('is not started while its port is meant for this machine only, which a swarm cannot keep', async () => {
    const finished = await deploy();
    assert.equal(finished.status, 1, finished.output);
    assert.match(finished.output, /✗ a swarm publishes on all addresses .* INTERFACE_BIND is 127\.0\.0\.1/);
    assert.deepEqual(await named('service'), []);
  });

  it('starts with three agents, and answers', async () => {
    stack.configure('INTERFACE_BIND=0.0.0.0');
    const { status, output } = await deploy();
    assert.equal(status, 0, output);
    assert.equal((await tasks('agent')).length, 3);
    await talk();
  });

  it('shows no secret to those who inspect it', async () => {
    const containers = lines(await docker('ps', '--quiet', '--filter', `label=${namespace()}`));
    assert.equal(containers.length, 5);
    const seen = await docker('inspect', ...containers, ...(await named('service')), ...(await tasks()));
    for (const secret of secrets) assert.ok(!seen.includes(stack.setting(secret)), secret);
    assert.ok(seen.includes('HISTORY_WINDOW='), 'other settings are seen');
  });

  it('is not started by Compose beside it', async () => {
    const finished = await stack.deploy();
    assert.equal(finished.status, 1, finished.output);
    assert.match(finished.output, /runs on Docker Swarm\. To update it there: ops\/three-tier swarm/);
  });

  it('changes nothing when nothing has changed', async () => {
    const state = async () => [await tasks(), await named('secret'), await named('config')];
    const before = await state();
    const { status, output } = await deploy();
    assert.equal(status, 0, output);
    assert.deepEqual(await state(), before);
  });

  it('goes back by itself from an agent that does not start, and fails no request meanwhile', async () => {
    const before = await tasks();
    const main = readFileSync(file('agent/main.py'), 'utf8');
    writeFileSync(file('agent/main.py'), `raise SystemExit("broken on purpose")\n${main}`);
    const load = await Load.start(client, 4);
    const finished = await deploy();
    await load.answered(20);
    assert.deepEqual(await load.stop(), []);
    assert.equal(finished.status, 1, finished.output);
    assert.match(finished.output, /── the end of the log of .*_agent[^\n]*\nbroken on purpose\n/);
    assert.match(lastLine(finished), /^✗ .*_agent was taken back.*What ran before serves/);
    assert.deepEqual(await tasks(), before);
    writeFileSync(file('agent/main.py'), main);
  });

  it('takes a new password of the database, as a secret with another name, and its threads are still there', async () => {
    const thread = await client.newThread();
    assert.equal((await client.say(thread, 'hello')).status, 200);
    stack.configure('DB_PASSWORD=another one, with $igns, "quotes" and \\ blanks');
    const { status, output } = await deploy();
    assert.equal(status, 0, output);
    assert.match(output, /^made the secret .*_db_password_[0-9a-f]{12}$/m);
    assert.equal((await client.history(thread)).length, 2);
    await talk();
  });
});
