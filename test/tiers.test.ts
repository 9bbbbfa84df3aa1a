import assert from 'node:assert/strict';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { run } from './support/generate.ts';

const TIERS = ['db', 'agent', 'interface'] as const;
const QUESTION = { db: 'database', agent: 'logic', interface: 'interface' } as const;

for (const tier of TIERS) {
  describe(`three-tier:${tier}`, () => {
    it('finds nothing to do in a project that was just written', async () => {
      const cwd = temporaryFolder();
      await run(cwd, 'app', ['lyco', '--yes']);
      const before = readTree(cwd);
      const { exitCode, lines } = await run(path.join(cwd, 'agents/lyco'), tier);
      assert.deepEqual([exitCode, lines], [0, ['lyco is up to date.']]);
      assert.deepEqual(readTree(cwd), before);
    });

    it('asks at a terminal only what it is about', async () => {
      const cwd = temporaryFolder();
      await run(cwd, 'app', ['lyco', '--yes']);
      const answers = { database: 'postgres', logic: 'langgraph', interface: 'api' };
      const { asked } = await run(path.join(cwd, 'agents/lyco'), tier, [], { answers });
      assert.deepEqual(asked, [QUESTION[tier]]);
    });

    it('says where to go outside a project', async () => {
      const cwd = temporaryFolder();
      const { exitCode, lines } = await run(cwd, tier, ['--yes']);
      assert.deepEqual([exitCode, lines.length], [1, 1]);
      assert.match(lines[0] ?? '', /^There is no project here: go to its folder, or make one with/);
    });

    it('refuses the flags of other tiers', async () => {
      const cwd = temporaryFolder();
      const { exitCode, lines } = await run(cwd, tier, ['--output', 'x']);
      assert.deepEqual([exitCode, lines], [1, ['--output: there is no such flag; --help lists them all.']]);
    });
  });
}

it('a tier changes its own answers and its share of the common files', async () => {
  const [one, two] = [temporaryFolder(), temporaryFolder()];
  await run(one, 'app', ['lyco', '--yes']);
  await run(path.join(one, 'agents/lyco'), 'agent', ['--agent-port', '9000']);
  await run(path.join(one, 'agents/lyco'), 'interface', ['--interface-port', '9001']);
  await run(two, 'app', ['lyco', '--yes', '--agent-port', '9000', '--interface-port', '9001']);
  assert.deepEqual(readTree(one), readTree(two), 'the same bytes as all at once');
});
