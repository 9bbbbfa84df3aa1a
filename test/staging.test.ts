import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { updateProject } from '../generators/shared/apply.ts';
import { NO_BASELINE } from '../generators/shared/baseline.ts';
import { makeStaging } from '../generators/shared/staging.ts';
import { temporaryFolder } from './support/folders.ts';
import { mountDisk, unmount } from './support/root.ts';

const PREFIX = '.three-tier-staging-';

/** A staging folder of this process, renamed as if `change` had been true of the process that made it. */
function staged(parent: string, change: { machine?: string; pid?: number; start?: string; hoursAgo?: number }): string {
  const made = makeStaging(parent);
  const [machine, pid, start, random] = path.basename(made).slice(PREFIX.length).split('-');
  const { hoursAgo = 0 } = change;
  const name = [change.machine ?? machine, change.pid ?? pid, change.start ?? start, random].join('-');
  const folder = path.join(parent, PREFIX + name);
  renameSync(made, folder);
  const time = Date.now() / 1000 - hoursAgo * 3600;
  utimesSync(folder, time, time);
  return path.basename(folder);
}

/** What is left of a staging folder in `parent` once the next run has begun. */
function isKept(parent: string, name: string): boolean {
  makeStaging(parent);
  return readdirSync(parent).includes(name);
}

describe('a folder in which a run stages its files', () => {
  it('is never one that is there already', () => {
    const parent = temporaryFolder();
    assert.notEqual(makeStaging(parent), makeStaging(parent));
    assert.equal(readdirSync(parent).length, 2);
  });

  it('is cleared away once its process has ended, also when another has the number by now', () => {
    const parent = temporaryFolder();
    assert.ok(!isKept(parent, staged(parent, { pid: 999_999_999 })));
    assert.ok(!isKept(parent, staged(parent, { start: '1' })));
  });

  it('is left alone while its process runs', () => {
    const parent = temporaryFolder();
    assert.ok(isKept(parent, staged(parent, {})));
  });

  it('is left alone for a day where its process cannot be seen, as in another container', () => {
    const parent = temporaryFolder();
    const machine = '0123456789abcdef';
    assert.ok(isKept(parent, staged(parent, { machine, hoursAgo: 23 })));
    assert.ok(!isKept(parent, staged(parent, { machine, hoursAgo: 25 })));
  });

  it('is left alone where it cannot be cleared away, as that of another user', function () {
    const parent = temporaryFolder();
    const name = staged(parent, { start: '1' });
    if (!mountDisk(path.join(parent, name), 'size=64k')) this.skip();
    try {
      assert.ok(isKept(parent, name));
    } finally {
      unmount(path.join(parent, name));
    }
    assert.ok(!isKept(parent, name));
  });

  it('of one project is not taken by another run that changes it', () => {
    const root = temporaryFolder();
    const folder = path.join(root, '.three-tier');
    mkdirSync(folder);
    const other = makeStaging(folder);
    mkdirSync(path.join(other, 'files'));
    const write = [{ path: 'a', contents: '1\n', mode: 0o644, was: null }];
    assert.deepEqual(updateProject(root, { write, remove: [] }, NO_BASELINE), []);
    assert.deepEqual(readdirSync(folder).sort(), [path.basename(other), 'baseline.json.gz']);
    assert.deepEqual(readdirSync(other), ['files']);
  });
});
