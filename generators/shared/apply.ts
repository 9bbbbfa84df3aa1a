import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { BASELINE, packBaseline } from './baseline.ts';
import { explainFileError } from './errors.ts';
import type { ProjectFile } from './overlay.ts';

const PENDING = '.three-tier/pending';
const JOURNAL = `${PENDING}/journal.json`;

interface Journal {
  readonly write: readonly string[];
  readonly remove: readonly string[];
}

/**
 * Writes a project that is not there yet: into a folder beside it first, which then takes its name in one step.
 * After a kill, a full disk or a refusal there is either the whole project or none.
 *
 * @throws UsageError where the place cannot be written.
 */
export function createProject(root: string, files: readonly ProjectFile[]): void {
  const parent = path.dirname(root);
  const staging = path.join(parent, `${stagingPrefix(root)}${process.pid}`);
  let made: string | undefined;
  try {
    made = mkdirSync(parent, { recursive: true });
    removeAbandoned(root);
    writeAll(staging, files);
    renameSync(staging, root);
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    if (made) removeEmptyFolders(path.dirname(made), path.relative(path.dirname(made), parent));
    throw explainFileError(error, root);
  }
}

/**
 * Carries changes out on an existing project. The new files are staged and listed in a journal before the first of
 * them is renamed into place, so that a run that was killed is finished by the next.
 *
 * @param write - Files that get new contents.
 * @param remove - Files that go, by path.
 * @param generated - All that is generated now, for the next comparison.
 * @throws UsageError where the project cannot be written.
 */
export function updateProject(
  root: string,
  write: readonly ProjectFile[],
  remove: readonly string[],
  generated: readonly ProjectFile[],
): void {
  const pending = path.join(root, PENDING);
  try {
    rmSync(pending, { recursive: true, force: true });
    writeFiles(path.join(pending, 'files'), write);
    writeFile(path.join(pending, 'files', BASELINE), packBaseline(generated), 0o644);
    const journal: Journal = { write: [...write.map((file) => file.path), BASELINE], remove };
    writeFileSync(path.join(root, `${JOURNAL}.new`), JSON.stringify(journal));
    renameSync(path.join(root, `${JOURNAL}.new`), path.join(root, JOURNAL));
  } catch (error) {
    rmSync(pending, { recursive: true, force: true });
    throw explainFileError(error, root);
  }
  finishPending(root);
}

/** Finishes what a killed run had staged completely, and drops what it had not. */
export function finishPending(root: string): void {
  const journal = path.join(root, JOURNAL);
  try {
    if (existsSync(journal)) carryOut(root, JSON.parse(readFileSync(journal, 'utf8')));
    rmSync(path.join(root, PENDING), { recursive: true, force: true });
  } catch (error) {
    throw explainFileError(error, root);
  }
}

function carryOut(root: string, { write, remove }: Journal): void {
  for (const file of write) {
    const staged = within(path.join(root, PENDING, 'files'), file);
    const target = within(root, file);
    if (!existsSync(staged)) continue; // renamed before the kill
    mkdirSync(path.dirname(target), { recursive: true });
    renameSync(staged, target);
  }
  for (const file of remove) {
    rmSync(within(root, file), { force: true });
    removeEmptyFolders(root, path.dirname(file));
  }
}

function within(folder: string, file: string): string {
  const target = path.resolve(folder, file);
  if (!target.startsWith(folder + path.sep)) throw new Error(`${JSON.stringify(file)} lies outside ${folder}`);
  return target;
}

function removeEmptyFolders(root: string, folder: string): void {
  if (folder === '.' || readdirSync(path.join(root, folder)).length > 0) return;
  rmSync(path.join(root, folder), { recursive: true });
  removeEmptyFolders(root, path.dirname(folder));
}

function writeAll(folder: string, files: readonly ProjectFile[]): void {
  writeFiles(folder, files);
  writeFile(path.join(folder, BASELINE), packBaseline(files), 0o644);
}

function writeFiles(folder: string, files: readonly ProjectFile[]): void {
  for (const file of files) writeFile(path.join(folder, file.path), file.contents, file.mode);
}

function writeFile(target: string, contents: string | Buffer, mode: number): void {
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, contents);
  chmodSync(target, mode);
}

function stagingPrefix(root: string): string {
  return `.${path.basename(root)}.three-tier-`;
}

function removeAbandoned(root: string): void {
  const parent = path.dirname(root);
  const prefix = stagingPrefix(root);
  for (const entry of readdirSync(parent)) {
    if (entry.startsWith(prefix) && !isRunning(Number(entry.slice(prefix.length)))) {
      rmSync(path.join(parent, entry), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
