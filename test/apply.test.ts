import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProject, finishPending, updateProject } from '../generators/shared/apply.ts';
import { readBaseline } from '../generators/shared/baseline.ts';
import type { ProjectFile } from '../generators/shared/overlay.ts';
import { readTree, temporaryFolder } from './support/folders.ts';

const APPLY = path.join(import.meta.dirname, '../generators/shared/apply.js');

/** Enough files that writing them can be interrupted in the middle. */
const MANY = 4000;
const many: ProjectFile[] = Array.from({ length: MANY }, (_, n) => file(`f/${n}.txt`, `${n}`.repeat(2000)));

function file(name: string, contents: string): ProjectFile {
  return { path: name, contents, mode: 0o644 };
}

/** Starts `call` in a process of its own, waits until `begun` holds, and kills it. */
async function killedWhile(begun: () => boolean, call: string): Promise<void> {
  const files = `Array.from({ length: ${MANY} }, (_, n) => ({ path: 'f/' + n + '.txt', contents: String(n).repeat(2000), mode: 0o644 }))`;
  const program = `import * as apply from ${JSON.stringify(APPLY)}; const files = ${files}; ${call}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  const ended = new Promise((resolve) => child.on('close', (_code, signal) => resolve(signal)));
  while (!begun() && child.exitCode === null) await sleep(1);
  child.kill('SIGKILL');
  assert.equal(await ended, 'SIGKILL', 'it was killed before it was done');
}

describe('a run that is killed', () => {
  it('while it makes a project leaves none, and the next run sweeps up and makes it', async () => {
    const cwd = temporaryFolder();
    const root = path.join(cwd, 'lyco');
    const begun = () => readdirSync(cwd).length > 0;
    await killedWhile(begun, `apply.createProject(${JSON.stringify(root)}, files)`);
    assert.ok(!existsSync(root));
    createProject(root, many);
    assert.deepEqual(readdirSync(cwd), ['lyco']);
    assert.equal(readdirSync(path.join(root, 'f')).length, MANY);
  });

  it('while it stages an update leaves the project as it was', async () => {
    const root = path.join(temporaryFolder(), 'lyco');
    createProject(root, [file('a.txt', 'before\n')]);
    const before = readTree(root);
    const begun = () => existsSync(path.join(root, '.three-tier/pending/files/f/9.txt'));
    await killedWhile(begun, `apply.updateProject(${JSON.stringify(root)}, files, [], files)`);
    rmSync(path.join(root, '.three-tier/pending'), { recursive: true });
    assert.deepEqual(readTree(root), before);
  });

  it('while it renames an update into place is finished by the next', async () => {
    const root = path.join(temporaryFolder(), 'lyco');
    createProject(root, [file('a.txt', 'before\n')]);
    const begun = () => existsSync(path.join(root, 'f'));
    await killedWhile(begun, `apply.updateProject(${JSON.stringify(root)}, files, ['a.txt'], files)`);
    assert.ok(existsSync(path.join(root, '.three-tier/pending/journal.json')));
    finishPending(root);
    assert.equal(readdirSync(path.join(root, 'f')).length, MANY);
    assert.ok(!existsSync(path.join(root, 'a.txt')), 'what was to be removed is removed');
    assert.deepEqual(readdirSync(path.join(root, '.three-tier')), ['baseline.json.gz']);
    assert.equal(readBaseline(root).size, MANY);
  });
});

describe('an update', () => {
  const project = (...files: ProjectFile[]) => {
    const root = path.join(temporaryFolder(), 'lyco');
    createProject(root, files);
    return root;
  };

  it('removes the folders that it empties', () => {
    const root = project(file('deep/er/gone', '1\n'), file('stays', '1\n'));
    updateProject(root, [], ['deep/er/gone'], [file('stays', '1\n')]);
    assert.deepEqual([...readTree(root).keys()], ['.three-tier/baseline.json.gz', 'stays']);
    assert.ok(!existsSync(path.join(root, 'deep')));
  });

  it('keeps the modes that were asked for', () => {
    const root = project({ path: 'run.sh', contents: '1\n', mode: 0o755 });
    const files = [{ path: 'run.sh', contents: '2\n', mode: 0o755 }];
    updateProject(root, files, [], files);
    assert.equal(statSync(path.join(root, 'run.sh')).mode & 0o777, 0o755);
  });

  it('refuses a journal that names a file outside the project', () => {
    const root = project(file('a', '1\n'));
    const pending = path.join(root, '.three-tier/pending');
    mkdirSync(pending, { recursive: true });
    writeFileSync(path.join(pending, 'journal.json'), JSON.stringify({ write: [], remove: ['../victim'] }));
    writeFileSync(path.join(root, '../victim'), 'mine');
    assert.throws(() => finishPending(root), /"\.\.\/victim" lies outside/);
    assert.ok(existsSync(path.join(root, '../victim')));
  });
});
