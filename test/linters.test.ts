import assert from 'node:assert/strict';
import { checkerOf, findings } from './checks/checkers.ts';
import { generateAll } from './support/combinations.ts';

const projects = generateAll();

/** The quick ones of `npm run check:generated`. */
describe('every generated file', () => {
  for (const name of ['compose-spec schema', 'hadolint', 'shellcheck', 'shfmt', 'gitleaks'] as const) {
    it(`satisfies ${name}`, async function () {
      assert.deepEqual(await findings(this, checkerOf(name), projects), []);
    });
  }
});
