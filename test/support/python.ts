import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { covering, generateAll } from './combinations.ts';
import { ROOT } from './generate.ts';
import { check, checkEach } from './tools.ts';

/** Seconds are no matter here: a busy machine takes its time. */
const PATIENCE = 600_000; // milliseconds
const CACHE = path.join(ROOT, 'node_modules/.cache/mypy');
/** Runs of pytest at a time, which work for a third of theirs. */
const WAITING = 2 * availableParallelism();
/** Without the plugins of other packages here, which take as long to load as all else. */
export const PYTEST = ['-q', '--disable-plugin-autoload', '-p', 'anyio', '-p', 'no:cacheprovider'];
export const RUNTIME = path.join(ROOT, 'runtime');

/** Declares the tests of a part of the runtime, in a file of its own each, so that they run at the same time. */
export function describeRuntime(what: string, ...folders: string[]): void {
  it(`the runtime passes its tests of ${what}`, async function () {
    this.timeout(PATIENCE);
    const { status, output } = await check(this, 'pytest', [...PYTEST, ...folders], RUNTIME);
    assert.equal(status, 0, output);
  });
}

/** Declares the tests of what a project has in a tier's folder, its owner's part and the runtime together. */
export function describePython(tier: 'agent' | 'interface'): void {
  describe(`the Python in ${tier}/`, () => {
    const projects = generateAll();
    const satisfies = (what: string, tool: string, args: (folder: string) => string[], atOnce?: number) =>
      it(`satisfies ${what}`, async function () {
        this.timeout(PATIENCE);
        const finished = await checkEach(this, tool, args, covering(projects, tier), atOnce);
        for (const [folder, { status, output }] of finished) {
          assert.equal(status, 0, `${folder}\n${output}`);
        }
      });
    satisfies('ruff', 'ruff', () => ['check', '--no-cache', '.']);
    satisfies('ruff format', 'ruff', () => ['format', '--no-cache', '--check', '.']);
    // One after the other, so that each finds in the cache what those before have learned of the libraries.
    satisfies('mypy --strict', 'mypy', () => ['--strict', '--cache-dir', path.join(CACHE, tier), '.'], 1);
    satisfies('its own tests', 'pytest', () => PYTEST, WAITING);

    it('states the packages that its lock holds', () => {
      for (const project of projects.values()) {
        const folder = path.join(project, tier);
        const names = readFileSync(path.join(folder, 'requirements.in'), 'utf8').trim().split('\n');
        const lock = readFileSync(path.join(folder, 'requirements.txt'), 'utf8');
        for (const name of names) assert.match(lock, new RegExp(`^${name}==[^ ]+.*\\\\\n +--hash=sha256:`, 'm'), name);
      }
    });
  });
}
