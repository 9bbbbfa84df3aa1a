import assert from 'node:assert/strict';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { generate } from '../support/combinations.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';

for (const database of Object.keys(databases) as DatabaseId[]) {
  it(`ops/three-tier test passes in the images, and on a real ${database}`, async () => {
    const choice = { database, logic: 'business', interface: 'api' } as const;
    const project = await generate(temporaryFolder(), `tested-${database}`, choice);
    const { status, output } = await execute(project, 'ops/three-tier', ['test']);
    assert.equal(status, 0, output);
    assert.match(output, /All tests passed\.\n$/);
    const containers = await execute('/', 'docker', ['ps', '--all', '--quiet', '--filter', `name=tested-${database}`]);
    assert.equal(containers.output, '', 'nothing is left');
  });
}
