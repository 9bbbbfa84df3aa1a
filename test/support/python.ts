import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { covering, generateAll } from './combinations.ts';
import { ROOT } from './generate.ts';
import { checkEach } from './tools.ts';

/** Seconds are no matter here: a busy machine takes its time. */
const PATIENCE = 600_000; // milliseconds
/** Runs of pytest at a time, which work for a third of theirs. */
const WAITING = 2 * availableParallelism();

/** Declares the tests of a tier's Python. Each tier has a file of its own, so that both are tested at the same time. */
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
    satisfies('mypy --strict', 'mypy', (folder) => ['--strict', '--cache-dir', cacheOf(folder), '.']);
    satisfies('its own tests', 'pytest', () => ['-q', '-p', 'no:cacheprovider'], WAITING);

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

/** A cache for each project and tier: their modules have the same names, and several are checked at once. */
function cacheOf(folder: string): string {
  return path.join(ROOT, 'node_modules/.cache/mypy', path.basename(path.dirname(folder)), path.basename(folder));
}
