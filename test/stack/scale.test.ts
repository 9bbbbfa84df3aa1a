import assert from 'node:assert/strict';
import { Client } from '../support/client.ts';
import { combinations, generate, label } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { Load } from '../support/load.ts';
import { freePorts } from '../support/ports.ts';

/** Prints how many turns the agent has answered that it runs in. */
const COUNT_TURNS = `
import os, urllib.request as u
headers = {"Authorization": "Bearer " + os.environ["AGENT_TOKEN"], "X-Thread-Owner": "test"}
lines = u.urlopen(u.Request("http://127.0.0.1:8000/metrics", headers=headers)).read().decode().splitlines()
print(sum(float(line.split()[-1]) for line in lines if line.startswith("agent_turns_total")))
`;

/** Any will do: replicas are a matter of the agent's HTTP server, and of the client that all interfaces share. */
const combination = combinations.find(({ logic, interface: way }) => logic === 'business' && way === 'api');

describe('a stack with several agents', () => {
  let stack: Stack;
  let client: Client;
  let agent: string;

  const replicas = async () => (await stack.compose('ps', '--quiet', agent)).split('\n').sort();
  /** The turns that each replica answered. */
  const turns = async () => {
    const counts = new Map<string, number>();
    for (const id of await replicas()) {
      counts.set(id, Number(await stack.docker('exec', id, 'python', '-c', COUNT_TURNS)));
    }
    return counts;
  };

  before(async () => {
    assert.ok(combination);
    const folder = await generate(
      temporaryFolder(),
      `scale-${label(combination)}`,
      combination,
      ...(await freePorts()),
    );
    stack = await Stack.fresh(folder);
    agent = `${stack.name}-agent`;
    stack.configure('RATE_LIMIT=');
    client = new Client(stack);
  });
  after(() => stack.remove());

  it('is not deployed while there are fewer ports than agents', async () => {
    const port = Number(stack.setting('AGENT_PORT'));
    for (const ports of [String(port), `${port}-${port + 1}`]) {
      stack.configure('AGENT_REPLICAS=3', `AGENT_PORT=${ports}`);
      const { status, output } = await stack.deploy();
      assert.equal(status, 1, output);
      assert.match(output, new RegExp(`AGENT_PORT is ${ports}\\.\n.*AGENT_PORT=${port}-${port + 2} into`));
    }
  });

  it('starts two more with docker compose up --scale', async () => {
    stack.configure('AGENT_REPLICAS=1', 'AGENT_PORT=');
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.equal((await replicas()).length, 1);
    await stack.compose('up', '--detach', '--wait', '--scale', `${agent}=3`);
    assert.equal((await replicas()).length, 3);
  });

  it('spreads what it is asked over all of them, also for a single caller', async () => {
    const load = await Load.start(client, 1);
    await until('every agent is known', 20, async () => [...(await turns()).values()].every((count) => count > 0));
    const before = await turns();
    await load.answered(60);
    assert.deepEqual(await load.stop(), []);
    const counts = [...(await turns())].map(([id, count]) => count - (before.get(id) ?? 0));
    assert.ok(Math.max(...counts) <= 2 * Math.min(...counts), `they answered ${counts}`);
  });

  it('fails no request when one of them is killed, and asks it again when it is back', async () => {
    const [victim] = (await replicas()) as [string];
    const load = await Load.start(client, 8);
    await load.answered(50);
    await stack.docker('kill', '--signal', 'KILL', victim);
    await load.answered(200);
    assert.equal((await replicas()).length, 2);
    await stack.docker('start', victim);
    await until('it is asked again', 30, async () => ((await turns()).get(victim) ?? 0) > 0);
    assert.deepEqual(await load.stop(), []);
    assert.ok(load.slowest < 15, `the slowest request took ${load.slowest} s`); // a turn's lease is 10 s
  });

  it('fails no request while ./deploy.sh replaces all of them', async () => {
    const old = await replicas();
    stack.configure('AGENT_REPLICAS=3', 'HISTORY_WINDOW=20');
    const load = await Load.start(client, 8);
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.deepEqual(await load.stop(), []);
    const now = await replicas();
    assert.equal(now.length, 3);
    assert.deepEqual(
      now.filter((id) => old.includes(id)),
      [],
    );
  });

  it('replaces none of them when nothing has changed', async () => {
    const old = await replicas();
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.deepEqual(await replicas(), old);
  });
});
