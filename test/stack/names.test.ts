import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { generate } from '../support/combinations.ts';
import { Stack } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';

const LOGIC = { logic: 'business', interface: 'api' } as const;
const NAMES: readonly [DatabaseId, string][] = [
  ['postgres', 'pg-helper'],
  ['postgres', 'public'],
  ['redis', 'admin'],
  ['mongo', 'admin'],
];

describe('an agent whose name the database keeps for itself', () => {
  for (const [database, name] of NAMES) {
    it(`is healthy on ${databases[database].label} all the same: ${name}`, async () => {
      const project = await generate(temporaryFolder(), name, { database, ...LOGIC }, ...(await freePorts()));
      const stack = await Stack.fresh(project);
      try {
        stack.configure();
        // The agent is healthy once its user has read a table.
        await stack.compose('up', '--detach', '--build', '--wait', `${name}-agent`);
      } finally {
        await stack.remove();
      }
    });
  }
});
