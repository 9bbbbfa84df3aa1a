import assert from 'node:assert/strict';
import { checkerOf, findings } from './checks/checkers.ts';
import { generateAll } from './support/combinations.ts';

const projects = generateAll();

/** The quick ones of `npm run check:generated`. */
describe('every generated file', function () {
  this.timeout(600_000); // seconds are no matter here: a busy machine takes its time

  for (const name of ['compose-spec schema', 'hadolint', 'shellcheck', 'shfmt', 'gitleaks'] as const) {
    it(`satisfies ${name}`, async function () {
      assert.deepEqual(await findings(this, checkerOf(name), projects), []);
    });
  }
});
