import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LogicId, logics } from '../../generators/agent/logics/index.ts';
import { databases } from '../../generators/db/databases/index.ts';
import { Client, type Message } from '../support/client.ts';
import { combinations, generate, label } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { figuresAtTheEnd } from '../support/figures.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { freePorts } from '../support/ports.ts';
import { Traffic } from '../support/traffic.ts';

const PYTHON = path.join(ROOT, '.venv/bin/python');
const OPENAI_CLIENT = path.join(ROOT, 'test/stack/openai_client.py');

/** What each logic replies to its example, and whether it counts what a reply costs. */
const REPLIES: Record<LogicId, { example: RegExp; counted: boolean }> = {
  langgraph: { example: /42/, counted: true },
  business: { example: /^Added 2 milk and bread\./, counted: false },
};

/** One row a combination, printed at the end. */
const figures = figuresAtTheEnd();

for (const combination of combinations.filter(({ interface: way }) => way === 'api')) {
  describe(`a stack of ${label(combination)}`, () => {
    const { service } = databases[combination.database];
    const figure: Record<string, string | number> = { stack: label(combination) };
    let stack: Stack;
    let client: Client;
    /** A conversation that goes on through everything that follows. */
    let conversation: string;
    const said: string[] = [];

    const talk = async (text: string) => {
      const reply = await client.insist(conversation, text);
      said.push(text);
      assert.ok(reply.includes(text), reply);
    };
    const assertRemembered = async () => assertPairs(await client.history(conversation), said);

    before(async () => {
      stack = await Stack.fresh(
        await generate(temporaryFolder(), `stack-${label(combination)}`, combination, ...(await freePorts())),
      );
      stack.configure('RATE_LIMIT='); // the load of these tests is no abuse
      client = new Client(stack);
    });
    after(async () => {
      figures.push(figure);
      await stack.remove();
    });

    it('is deployed by ./deploy.sh, which verifies all three tiers', async () => {
      const start = performance.now();
      const { status, output } = await stack.deploy();
      figure['deployed (s)'] = ((performance.now() - start) / 1000).toFixed(1);
      assert.equal(status, 0, output);
      assert.match(output, /All three tiers work\./);
      conversation = await client.newThread();
      await talk('a message after the deployment');
      await assertRemembered();
    });

    it('is deployed again without a change, and restarts nothing', async () => {
      const before = await stack.inspect('agent', '{{.State.StartedAt}}');
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      assert.equal(await stack.inspect('agent', '{{.State.StartedAt}}'), before);
    });

    it('speaks to the OpenAI client: three turns, a task, streaming, a refusal', async () => {
      const thread = await client.newThread();
      const { example } = logics[combination.logic];
      const expected = REPLIES[combination.logic];
      const key = stack.setting('API_KEYS').split(':')[1] as string;
      const args = [OPENAI_CLIENT, `${client.base}/v1`, key, thread, example];
      const { status, stdout, output } = await execute(ROOT, PYTHON, args);
      assert.equal(status, 0, output);
      const got = JSON.parse(stdout);
      assert.match(got.first, /the first question/);
      assert.match(got.third, /the third question/);
      assert.ok(got.pieces > 3, 'the reply came in pieces');
      assert.equal(got.usage > 0, expected.counted, `the reply cost ${got.usage}`);
      assert.equal(got.finish, 'stop');
      assert.match(got.stateless, /two/);
      assert.equal(got.refused, true);
      assert.match(got.example, expected.example);
      const history = await client.history(thread);
      assert.deepEqual(contents(history, 'user'), ['the first question', example, 'the third question']);
      assert.deepEqual(contents(history, 'assistant'), [got.first, got.example, got.third]);
    });

    it('speaks to curl: three turns, the last streamed', async () => {
      const thread = await client.newThread();
      const curl = (body: object, ...options: string[]) =>
        execute(ROOT, 'curl', [
          ...['-sS', '-N', '--max-time', '30', ...options, `${client.base}/v1/threads/${thread}/messages`],
          ...['-H', `Authorization: Bearer ${stack.setting('API_KEYS').split(':')[1]}`],
          ...['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)],
        ]);
      assert.match(JSON.parse((await curl({ message: 'one' })).stdout).reply, /one/);
      assert.match(JSON.parse((await curl({ message: 'two' })).stdout).reply, /two/);
      const { stdout } = await curl({ message: 'three', stream: true }, '-i');
      assert.match(stdout, /content-type: text\/event-stream/i);
      const events = [...stdout.matchAll(/^event: (\w+)/gm)].map(([, name]) => name);
      assert.equal(events[0], 'metadata');
      assert.ok(events.filter((event) => event === 'token').length > 1, stdout);
      assert.equal(events.at(-1), 'message');
      assert.match(stdout.trimEnd(), /data: \[DONE\]$/);
      assert.deepEqual(contents(await client.history(thread), 'user'), ['one', 'two', 'three']);
    });

    it('answers the same key ten times at once with one pair and ten equal replies', async () => {
      const thread = await client.newThread();
      const answers = await Promise.all(Array.from({ length: 10 }, () => client.say(thread, 'only once', 'key-1')));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
      assertPairs(await client.history(thread), ['only once']);
    });

    it('answers ten messages at once on one thread with ten pairs in a consistent order', async () => {
      const thread = await client.newThread();
      const texts = Array.from({ length: 10 }, (_, n) => `message number ${n}`);
      const answers = await Promise.all(texts.map((text) => client.say(thread, text)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      const history = await client.history(thread);
      assertPairs(history, contents(history, 'user'));
      assert.deepEqual(contents(history, 'user').sort(), texts);
    });

    it('keeps the interface away from the database', async () => {
      const connect = 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)';
      const address = await stack.inspect(service, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');
      const port = (await stack.inspect(service, '{{range $p, $_ := .Config.ExposedPorts}}{{$p}}{{end}}')).split(
        '/',
      )[0];
      for (const host of [`${stack.name}-${service}`, address]) {
        const fromInterface = await stack.inside('interface', ['python', '-c', connect, host, String(port)]);
        assert.notEqual(fromInterface.status, 0, `${host} can be reached`);
        const fromAgent = await stack.inside('agent', ['python', '-c', connect, host, String(port)]);
        assert.equal(fromAgent.status, 0, `the same attempt succeeds in the agent: ${fromAgent.output}`);
      }
      assert.equal(await stack.inspect(service, '{{json .HostConfig.PortBindings}}'), '{}', 'no port is published');
    });

    it('runs nothing as root and nothing that can write its root file system', async () => {
      for (const tier of [service, 'agent', 'interface']) {
        const uid = await stack.inside(tier, ['id', '-u']);
        assert.match(uid.stdout.trim(), /^[1-9]\d*$/, `${tier} runs as ${uid.output}`);
        assert.notEqual((await stack.inside(tier, ['touch', '/written'])).status, 0, tier);
        assert.match((await stack.inside(tier, ['touch', '/etc/written'])).output, /read-only/i, tier);
        const hardening = '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}';
        assert.equal(await stack.inspect(tier, hardening), 'true [ALL] [no-new-privileges:true]', tier);
        const limits = '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}';
        assert.match(await stack.inspect(tier, limits), /^[1-9]\d* [1-9]\d* [1-9]\d*$/, tier);
      }
    });

    it('survives a killed database: 503 while it is away, back within 10 s, nothing lost or doubled', async () => {
      const database = await stack.container(service);
      const agent = await stack.inspect('agent', '{{.State.StartedAt}} {{.RestartCount}}');
      const thread = await client.newThread();
      const traffic = await Traffic.start([client], 4);
      await sleep(1000);
      await stack.docker('kill', database);
      const health = await fetch(`http://127.0.0.1:${stack.setting('AGENT_PORT')}/health`);
      assert.equal(health.status, 503, await health.text());
      const refused = await client.say(conversation, 'nobody can keep this');
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get('content-type'), 'application/problem+json');
      assert.ok(refused.headers.get('retry-after'));
      assert.match(refused.body.detail, /\w/);
      await stack.docker('start', database);
      const isBack = async () => (await client.say(thread, 'hello')).status === 200;
      figure['back after (s)'] = (await until('the agent serves again', 10, isBack)).toFixed(1);
      const tally = await traffic.stop();
      const { sent, acknowledged, lost, doubled } = tally;
      figure['sent / acknowledged / lost / doubled'] = `${sent} / ${acknowledged} / ${lost} / ${doubled}`;
      assert.deepEqual(tally, { sent, acknowledged: sent, lost: 0, doubled: 0, ordered: true });
      assert.equal(await stack.inspect('agent', '{{.State.StartedAt}} {{.RestartCount}}'), agent, 'no restart');
      await talk('a message after the database was killed');
      await assertRemembered();
    });

    it('loses no acknowledged turn when agent and interface are restarted under load', async () => {
      const traffic = await Traffic.start([client], 4);
      await sleep(1000);
      for (const tier of ['agent', 'interface']) {
        await stack.compose('restart', '--timeout', '30', `${stack.name}-${tier}`);
        await sleep(1500);
      }
      const tally = await traffic.stop();
      const { sent } = tally;
      assert.deepEqual(tally, { sent, acknowledged: sent, lost: 0, doubled: 0, ordered: true });
      assert.ok(sent > 20, `only ${sent} turns were sent`);
      for (const tier of ['agent', 'interface']) {
        assert.equal(await stack.inspect(tier, '{{.State.ExitCode}}'), '0', `${tier} ended cleanly`);
      }
      await talk('a message after the restarts');
      await assertRemembered();
    });

    it('remembers everything, in order, after docker compose down && up', async () => {
      await stack.compose('down', '--timeout', '30');
      const start = performance.now();
      await stack.compose('up', '--detach', '--wait');
      figure['up --wait (s)'] = ((performance.now() - start) / 1000).toFixed(1);
      await assertRemembered();
      await talk('a message after down and up');
      await assertRemembered();
    });

    it('writes no secret and no message into a log', async () => {
      const logs = await stack.compose('logs', '--no-color');
      assert.match(logs, /Connected/);
      for (const text of said) assert.ok(!logs.includes(text), text);
      const env = readFileSync(path.join(stack.folder, '.env'), 'utf8');
      for (const [, variable, value = ''] of env.matchAll(/^(\w*(?:PASSWORD|TOKEN|KEYS))=(.+)$/gm)) {
        const secret = value.split(':').at(-1) as string;
        assert.ok(!logs.includes(secret), `${variable} is in a log`);
      }
    });
  });
}

function contents(history: Message[], role: string): string[] {
  return history.filter((message) => message.role === role).map(({ content }) => content);
}

/** A thread consists of exactly these questions in this order, each followed by the reply to it. */
function assertPairs(history: Message[], questions: string[]): void {
  const roles = history.map(({ role }) => role).filter((role) => role !== 'tool');
  assert.deepEqual(contents(history, 'user'), questions);
  assert.deepEqual(
    roles,
    questions.flatMap(() => ['user', 'assistant']),
  );
  contents(history, 'assistant').forEach((reply, n) => {
    assert.ok(reply.includes(questions[n] as string), `${reply} answers ${questions[n]}`);
  });
}
