import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { createProject, finishPending, updateProject } from '../generators/shared/apply.ts';
import { NO_BASELINE, readBaseline } from '../generators/shared/baseline.ts';
import type { ProjectFile } from '../generators/shared/overlay.ts';
import { change } from './support/change.ts';
import { readTree, temporaryFolder } from './support/folders.ts';

const KILL_AT = path.join(import.meta.dirname, 'support/kill_at.js');
const CHANGE = path.join(import.meta.dirname, 'support/change.js');

function file(name: string, contents: string, mode = 0o644): ProjectFile {
  return { path: name, contents, mode };
}

/** Runs `change` in a process of its own that is killed at a call that changes the disk; whether it came to that. */
function isKilledAt(call: number, root: string, files: readonly ProjectFile[]): boolean {
  const { status, signal, stderr } = spawnSync(process.execPath, ['--import', KILL_AT, CHANGE, root], {
    env: { ...process.env, KILL_AT: String(call) },
    input: JSON.stringify(files),
    encoding: 'utf8',
  });
  assert.ok(status === 0 || signal === 'SIGKILL', stderr);
  return signal === 'SIGKILL';
}

/** Does something for each call at which a process can be killed; `prepare` makes what it is killed in. */
async function atEveryCall(
  files: readonly ProjectFile[],
  prepare: () => string,
  afterKill: (root: string) => void | Promise<void>,
): Promise<number> {
  for (let call = 1; ; call += 1) {
    const root = prepare();
    const wasKilled = isKilledAt(call, root, files);
    await afterKill(root);
    if (!wasKilled) return call - 1;
  }
}

const BEFORE = [
  file('same', 'stays\n'),
  file('unedited', 'old\n'),
  file('edited', 'one\ntwo\nthree\n'),
  file('collides', 'old\n'),
  file('deleted', 'old\n'),
  file('deep/er/gone', 'old\n'),
  file('run.sh', 'old\n', 0o755),
];
const AFTER = [
  file('same', 'stays\n'),
  file('unedited', 'new\n'),
  file('edited', 'one\ntwo\nthree, renewed\n'),
  file('collides', 'new\n'),
  file('deleted', 'new\n'),
  file('fresh/er/here', 'new\n'),
  file('run.sh', 'new\n', 0o755),
];

/** A project with every kind of change in front of it. */
function editedProject(): string {
  const root = path.join(temporaryFolder(), 'lyco');
  createProject(root, BEFORE);
  writeFileSync(path.join(root, 'edited'), 'mine\none\ntwo\nthree\n');
  writeFileSync(path.join(root, 'collides'), 'mine\n');
  unlinkSync(path.join(root, 'deleted'));
  return root;
}

describe('a run that is killed at any of its calls to the file system', function () {
  this.timeout(300_000);

  it('leaves no project or the whole one, and the next run sweeps up', async () => {
    const whole = path.join(temporaryFolder(), 'lyco');
    createProject(whole, AFTER);
    const calls = await atEveryCall(
      AFTER,
      () => path.join(temporaryFolder(), 'agents/lyco'),
      async (root) => {
        if (existsSync(root)) assert.deepEqual(readTree(root), readTree(whole), 'it is whole');
        await change(root, AFTER);
        assert.deepEqual(readTree(root), readTree(whole));
        assert.deepEqual(readdirSync(path.dirname(root)), ['lyco'], 'nothing is left beside it');
      },
    );
    assert.ok(calls > 20, `${calls} calls`);
  });

  it('leaves an empty folder to fill, or is finished by the next', async () => {
    const whole = path.join(temporaryFolder(), 'lyco');
    createProject(whole, AFTER);
    const calls = await atEveryCall(AFTER, temporaryFolder, async (root) => {
      await change(root, AFTER);
      assert.deepEqual(readTree(root), readTree(whole));
    });
    assert.ok(calls > 30, `${calls} calls`);
  });

  it('leaves a project as it was, or is finished by the next; no edit is lost', async () => {
    const undisturbed = editedProject();
    await change(undisturbed, AFTER);
    const expected = readTree(undisturbed);
    assert.equal(expected.get('edited'), 'mine\none\ntwo\nthree, renewed\n');
    assert.deepEqual([expected.get('collides'), expected.get('collides.new')], ['mine\n', 'new\n']);
    const calls = await atEveryCall(AFTER, editedProject, async (root) => {
      assert.match(readFileSync(path.join(root, 'edited'), 'utf8'), /^mine\n/);
      assert.equal(readFileSync(path.join(root, 'collides'), 'utf8'), 'mine\n');
      await change(root, AFTER);
      assert.deepEqual(readTree(root), expected);
      assert.deepEqual(readdirSync(path.join(root, '.three-tier')), ['baseline.json.gz']);
      assert.ok(!existsSync(path.join(root, 'deep')), 'folders that it empties are gone');
      assert.equal(statSync(path.join(root, 'run.sh')).mode & 0o777, 0o755);
    });
    assert.ok(calls > 30, `${calls} calls`);
  });

  it('does not touch what is edited before the next run finishes it', async () => {
    await atEveryCall(AFTER, editedProject, async (root) => {
      appendFileSync(path.join(root, 'unedited'), 'mine too\n');
      const edited = readFileSync(path.join(root, 'unedited'), 'utf8');
      await change(root, AFTER);
      assert.equal(readFileSync(path.join(root, 'unedited'), 'utf8'), edited);
      const isOld = edited.startsWith('old');
      assert.equal(existsSync(path.join(root, 'unedited.new')), isOld, 'what is new is offered');
    });
  });
});

describe('an update', () => {
  const project = (...files: ProjectFile[]) => {
    const root = path.join(temporaryFolder(), 'lyco');
    createProject(root, files);
    return root;
  };

  it('leaves a file as it is that was changed after the decision about it', () => {
    const root = project(file('a', '1\n'), file('b', '1\n'));
    const write = ['a', 'b'].map((name) => ({ ...file(name, '2\n'), was: 'the digest of what is gone' }));
    assert.deepEqual(updateProject(root, { write, remove: [] }, NO_BASELINE), ['a', 'b']);
    assert.equal(readFileSync(path.join(root, 'a'), 'utf8'), '1\n');
    assert.equal(readBaseline(root)?.files.get('a'), '1\n', 'the next run compares with what was there');
  });

  it('refuses a journal that names a file outside the project, or that is damaged', () => {
    const root = project(file('a', '1\n'));
    const pending = path.join(root, '.three-tier/pending');
    mkdirSync(pending, { recursive: true });
    writeFileSync(path.join(root, '../victim'), 'mine');
    for (const journal of ['{"write": [], "remove": [{"path": "../victim", "was": null}]}', '{"write": [', '{}']) {
      writeFileSync(path.join(pending, 'journal.json'), journal);
      assert.throws(() => finishPending(root), /journal\.json is damaged; delete the folder/);
      assert.ok(existsSync(path.join(root, '../victim')));
    }
  });
});
