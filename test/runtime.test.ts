import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT } from './support/generate.ts';
import { describeRuntime, RUNTIME } from './support/python.ts';
import { check } from './support/tools.ts';

const CACHE = path.join(ROOT, 'node_modules/.cache/mypy/runtime');

describe('the runtime', () => {
  const checks: Record<string, [tool: string, ...args: string[]]> = {
    ruff: ['ruff', 'check', '--no-cache', '.'],
    'ruff format': ['ruff', 'format', '--no-cache', '--check', '.'],
    'mypy --strict': ['mypy', '--cache-dir', CACHE, 'src', 'tests'],
  };
  for (const [what, [tool, ...args]] of Object.entries(checks)) {
    it(`satisfies ${what}`, async function () {
      const { status, output } = await check(this, tool, args, RUNTIME);
      assert.equal(status, 0, output);
    });
  }
});

describeRuntime('what all tiers have', 'tests/common');
