import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { distinct, generateAll } from './support/combinations.ts';
import { ROOT } from './support/generate.ts';
import { check } from './support/tools.ts';

const projects = generateAll();

for (const tier of ['agent', 'interface']) {
  describe(`the Python in ${tier}/`, () => {
    const satisfies = (what: string, tool: string, args: string[]) =>
      it(`satisfies ${what}`, function () {
        for (const folder of distinct(projects, tier)) {
          const { status, output } = check(this, tool, args, folder);
          assert.equal(status, 0, `${folder}\n${output}`);
        }
      });
    satisfies('ruff', 'ruff', ['check', '--no-cache', '.']);
    satisfies('ruff format', 'ruff', ['format', '--no-cache', '--check', '.']);
    satisfies('mypy --strict', 'mypy', ['--strict', '--cache-dir', path.join(ROOT, 'node_modules/.cache/mypy'), '.']);
    satisfies('its own tests', 'pytest', ['-q', '-p', 'no:cacheprovider']);

    it('states the packages that its lock holds', () => {
      for (const folder of distinct(projects, tier)) {
        const names = readFileSync(path.join(folder, 'requirements.in'), 'utf8').trim().split('\n');
        const lock = readFileSync(path.join(folder, 'requirements.txt'), 'utf8');
        for (const name of names) assert.match(lock, new RegExp(`^${name}==[^ ]+.*\\\\\n +--hash=sha256:`, 'm'), name);
      }
    });
  });
}
