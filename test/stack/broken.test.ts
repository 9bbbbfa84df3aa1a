import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LogicId, logics } from '../../generators/agent/logics/index.ts';
import { Client } from '../support/client.ts';
import { generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';

/** What each logic does with a message: code that breaks is put above this line. */
const DOING: Record<LogicId, { line: string; said: string }> = {
  langgraph: {
    line: '        return {"messages": await thinker.ainvoke([SystemMessage(PROMPT), *state["messages"]])}\n',
    said: 'state["messages"][-1].text',
  },
  business: { line: '    try:\n        return await commands.carry_out(request)\n', said: 'request.message' },
};

/** Mistakes that an owner may make, each for a message that says so. */
const MISTAKES = {
  raise: 'raise KeyError("x")',
  exit: 'raise SystemExit(1)',
  sleep: '__import__("time").sleep(3600)',
  search: '__import__("re").match("(a|a)*b", "a" * 99)', // which lets no other thread of Python run
};

for (const logic of Object.keys(logics) as LogicId[]) {
  describe(`an agent whose ${logic} logic breaks`, () => {
    let stack: Stack;
    let client: Client;

    before(async () => {
      const choice = { database: 'postgres', logic, interface: 'api' } as const;
      stack = await Stack.fresh(await generate(temporaryFolder(), `broken-${logic}`, choice, ...(await freePorts())));
      const file = path.join(stack.folder, 'agent/logic.py');
      const contents = readFileSync(file, 'utf8');
      const { line, said } = DOING[logic];
      assert.ok(contents.includes(line), line);
      const indent = ' '.repeat(line.search(/\S/));
      const mistakes = Object.entries(MISTAKES).map(
        ([word, code]) => `${indent}if ${said} == "${word}":\n${indent}    ${code}\n`,
      );
      writeFileSync(file, contents.replace(line, mistakes.join('') + line));
      stack.configure('RATE_LIMIT=', 'LIVENESS_TIMEOUT=30');
      await stack.compose('up', '--build', '--detach', '--wait');
      client = new Client(stack);
    });
    after(() => stack.remove());

    const log = async () => {
      const { output } = await execute('/', 'docker', ['logs', '--tail', '60', await stack.container('agent')]);
      return output; // both of its streams
    };
    const restarts = async () => Number(await stack.inspect('agent', '{{.RestartCount}}'));

    for (const mistake of ['raise', 'exit'] as const) {
      it(`answers that with an error and others as before, where the code says ${MISTAKES[mistake]}`, async () => {
        for (const stream of [false, true]) {
          const { status, body } = await client.say(await client.newThread(), mistake, undefined, stream);
          assert.deepEqual([status, body.detail], [500, 'The agent could not answer.']);
        }
        assert.ok(await client.insist(await client.newThread(), 'hello'));
        assert.match(await log(), /"reason": "(?:the logic|a task) raised \w+".*\/app\/logic\.py\\", line \d+/);
        assert.equal(await restarts(), 0);
      });
    }

    for (const mistake of ['sleep', 'search'] as const) {
      it(`comes back by itself, where the code says ${MISTAKES[mistake]}, and names the line`, async () => {
        const before = await restarts();
        const thread = await client.newThread();
        const started = client.say(thread, mistake);
        await until('it is ended', 120, async () => (await restarts()) > before);
        assert.match(await log(), /Fatal Python error: Aborted[\s\S]*File "\/app\/logic\.py", line \d+/);
        await started;
        await until('it is back', 120, async () => (await client.newThread()) !== '');
        assert.ok(await client.insist(await client.newThread(), 'hello', 120));
      });
    }

    it('is replaced by a deployment while it hangs, which says where it stood', async () => {
      stack.configure('LIVENESS_TIMEOUT=0');
      assert.equal((await stack.deploy()).status, 0);
      const hanging = await stack.container('agent');
      const id = await stack.docker('inspect', '--format', '{{.Id}}', hanging);
      const asked = client.say(await client.newThread(), 'sleep');
      const health = () => stack.inspect('agent', '{{.State.Health.Status}}');
      await until('it is unhealthy', 120, async () => (await health()) === 'unhealthy');
      const { status, output } = await stack.run('./deploy.sh', '--no-backup');
      assert.equal(status, 0, output);
      assert.match(output, /! \S+-agent has not changed, but is unhealthy: it is made anew/);
      assert.notEqual(await stack.inspect('agent', '{{.Id}}'), id);
      assert.ok(await client.insist(await client.newThread(), 'hello'));
      await asked;
    });

    it('is not ended for having been frozen', async () => {
      stack.configure('LIVENESS_TIMEOUT=30');
      assert.equal((await stack.deploy()).status, 0);
      const before = await restarts();
      await stack.compose('pause', `${stack.name}-agent`);
      await sleep(60_000);
      await stack.compose('unpause', `${stack.name}-agent`);
      assert.ok(await client.insist(await client.newThread(), 'hello'));
      await until(
        'it is healthy',
        60,
        async () => (await stack.inspect('agent', '{{.State.Health.Status}}')) === 'healthy',
      );
      assert.equal(await restarts(), before);
    });
  });
}
