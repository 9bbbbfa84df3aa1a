import assert from 'node:assert/strict';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { generate } from '../support/combinations.ts';
import { Stack } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { RUNTIME } from '../support/python.ts';

/** Runs tests of the memory in an image for an agent's own ones, which has what they need. */
const PYTEST = ['python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider'];

for (const database of Object.keys(databases) as DatabaseId[]) {
  describe(`a project with ${database}`, () => {
    const name = `tested-${database}`;
    let stack: Stack;

    before(async () => {
      const choice = { database, logic: 'business', interface: 'api' } as const;
      stack = await Stack.fresh(await generate(temporaryFolder(), name, choice));
    });
    after(() => stack.remove());

    it('passes ops/three-tier test, in its images', async () => {
      const { status, output } = await stack.run('ops/three-tier', 'test');
      assert.equal(status, 0, output);
      assert.match(output, /All tests passed\.\n$/);
    });

    it('has a memory that does what the runtime expects of it', async () => {
      const image = `${name}-tests`;
      stack.configure();
      await stack.compose('up', '--detach', '--wait', `${name}-${databases[database].service}`);
      await stack.docker('build', '--quiet', '--target', 'test', '--tag', image, 'agent');
      const { services } = JSON.parse(await stack.compose('config', '--format', 'json'));
      const { DATABASE_URL, DATABASE_PASSWORD } = services[`${name}-agent`].environment;
      const { status, output } = await execute('/', 'docker', [
        ...['run', '--rm', '--network', `${name}_${name}-data`, '--volume', `${RUNTIME}:/runtime:ro`],
        ...['--workdir', '/runtime', '--env', `TEST_DATABASE_URL=${DATABASE_URL}`],
        ...['--env', `TEST_DATABASE_PASSWORD=${DATABASE_PASSWORD}`],
        ...[image, ...PYTEST, 'tests/agent/test_memory.py', `tests/agent/${database}`],
      ]);
      await stack.docker('image', 'rm', image);
      assert.equal(status, 0, output);
      assert.match(output, /^\d+ passed/m);
      assert.doesNotMatch(output, /TEST_DATABASE_URL is not set/, 'the database is used');
    });
  });
}
