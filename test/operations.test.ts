import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { execute } from './support/execute.ts';
import { ROOT } from './support/generate.ts';
import { check } from './support/tools.ts';

const OPS = path.join(ROOT, 'ops');
const CACHE = path.join(ROOT, 'node_modules/.cache/mypy/ops');

/** Which the tests of Python's own packages have: without the plugins of others here. */
const PLAIN = ['--disable-plugin-autoload', '-p', 'no:cacheprovider'];

describe('the operations program', () => {
  const checks: Record<string, [tool: string, ...args: string[]]> = {
    ruff: ['ruff', 'check', '--no-cache', '.'],
    'ruff format': ['ruff', 'format', '--no-cache', '--check', '.'],
    'mypy --strict': ['mypy', '--cache-dir', CACHE, 'operations'],
    'its own tests': ['pytest', '-q', ...PLAIN],
  };
  for (const [what, [tool, ...args]] of Object.entries(checks)) {
    it(`satisfies ${what}`, async function () {
      const { status, output } = await check(this, tool, args, OPS);
      assert.equal(status, 0, output);
    });
  }

  it('compiles requirements by the uv that has compiled those of the templates, so that nothing else changes', () => {
    const [source, lock] = ['ops/operations/requirements.py', 'python/requirements.txt'].map((file) =>
      readFileSync(path.join(ROOT, file), 'utf8'),
    ) as [string, string];
    assert.equal(/^UV = "(.*)"$/m.exec(source)?.[1], /^uv==[^ ]+/m.exec(lock)?.[0]);
  });

  it('starts with the Python of this machine where that is new enough, and says how to get one otherwise', async () => {
    const { status, output } = await execute(OPS, './three-tier', ['--help']);
    if (status === 0) assert.match(output, /^ {2}deploy {3}Make what runs what the files say/m);
    else assert.match(output, /^✗ ops\/three-tier needs Python 3\.11 or newer/);
  });
});
