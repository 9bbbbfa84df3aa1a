import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';

const VENDOR = path.join(ROOT, 'runtime/src/three_tier/interface/web/static/vendor');

it('the libraries of the web page are those of the pinned packages, unchanged', () => {
  const fresh = path.join(temporaryFolder(), 'vendor');
  execFileSync(path.join(ROOT, 'node_modules/.bin/tsx'), ['scripts/vendor.ts', fresh], { cwd: ROOT });
  assert.deepEqual(readTree(VENDOR), readTree(fresh), 'npm run vendor');
});
