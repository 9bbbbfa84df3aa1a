import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { BASELINE, type Baseline, NO_BASELINE, packBaseline, readBaseline } from './baseline.ts';
import { checkFolders, look } from './disk.ts';
import { explainFileError, UsageError } from './errors.ts';
import type { ProjectFile } from './overlay.ts';
import { makeStaging } from './staging.ts';

/** What is staged completely, and only that, has this name. */
const PENDING = '.three-tier/pending';
const STAGED = `${PENDING}/files`;
const JOURNAL = `${PENDING}/journal.json`;

/** One file that is written or removed, and what the disk held when that was decided; nothing else is replaced. */
interface Step {
  readonly path: string;
  /** As in `Found`; null where there was nothing. */
  readonly was: string | null;
}

interface Journal {
  readonly write: readonly Step[];
  readonly remove: readonly Step[];
}

/** A file that gets new contents. */
export type Replacement = ProjectFile & { readonly was: string | null };

/** What a run does to a project. */
export interface Edits {
  readonly write: readonly Replacement[];
  readonly remove: readonly Step[];
}

/**
 * Writes a project that is not there yet: into a folder beside it first, which then takes its name in one step.
 * After a kill, a full disk or a refusal there is either the whole project or none. An empty folder that is there
 * already may be somebody's working directory, so it is filled like a project that changes.
 *
 * @param generated - The same as it was generated, if it has been changed since.
 * @throws UsageError where the place cannot be written.
 */
export function createProject(root: string, files: readonly ProjectFile[], generated = files): void {
  const baseline = { ...NO_BASELINE, files: new Map(generated.map((file) => [file.path, file.contents])) };
  if (existsSync(root)) {
    updateProject(root, { write: files.map((file) => ({ ...file, was: null })), remove: [] }, baseline);
    return;
  }
  const parent = path.dirname(root);
  let made: string | undefined;
  let staging: string | undefined;
  try {
    made = mkdirSync(parent, { recursive: true });
    staging = makeStaging(parent);
    writeFiles(staging, files);
    writeFile(path.join(staging, BASELINE), packBaseline(baseline), 0o644);
    renameSync(staging, root);
  } catch (error) {
    if (staging) rmSync(staging, { recursive: true, force: true });
    if (made) removeEmptyFolders(path.dirname(made), path.relative(path.dirname(made), parent));
    throw explainFileError(error, `write ${root}`, 'choose another folder');
  }
}

/**
 * Carries changes out on an existing project. The new files are staged and listed in a journal before the first of
 * them is renamed into place, so that a run that was killed is finished by the next.
 *
 * @param next - What is known of the project afterwards, for the next comparison.
 * @returns the files that were left as they are, since they have changed after the decision about them.
 * @throws UsageError where the project cannot be written.
 */
export function updateProject(root: string, { write, remove }: Edits, next: Baseline): string[] {
  const pending = path.join(root, PENDING);
  let staging: string | undefined;
  try {
    for (const { path: file } of [...write, ...remove]) checkWritable(root, file);
    mkdirSync(path.dirname(pending), { recursive: true });
    staging = makeStaging(path.dirname(pending));
    const inStaging = (file: string) => path.join(staging as string, path.relative(PENDING, file));
    writeFiles(inStaging(STAGED), write);
    writeFile(path.join(inStaging(STAGED), BASELINE), packBaseline(next), 0o644);
    const steps = write.map(({ path: file, was }) => ({ path: file, was }));
    writeFileSync(inStaging(JOURNAL), JSON.stringify({ write: steps, remove } satisfies Journal));
    // Without a journal, what is there is the rest of a run that had been finished.
    if (!isPending(root)) rmSync(pending, { recursive: true, force: true });
    renameSync(staging, pending);
  } catch (error) {
    if (staging) rmSync(staging, { recursive: true, force: true });
    removeIfEmpty(path.dirname(pending));
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') {
      throw new UsageError(`Another run is changing ${root}; run the command again when it has ended.`);
    }
    throw explainFileError(error, `change ${root}`, 'nothing was changed; make it writable and run the command again');
  }
  return finishPending(root);
}

/** Whether a run was killed after it had staged everything, so that the next has to finish it. */
export function isPending(root: string): boolean {
  return existsSync(path.join(root, JOURNAL));
}

/**
 * Finishes what a killed run had staged completely, and drops what it had not.
 *
 * @returns the files that were left as they are, since they have changed after the decision about them.
 */
export function finishPending(root: string): string[] {
  try {
    const left = isPending(root) ? carryOut(root, readJournal(root)) : [];
    rmSync(path.join(root, JOURNAL), { force: true }); // first, so that no half of the rest is ever carried out again
    rmSync(path.join(root, PENDING), { recursive: true, force: true });
    return left;
  } catch (error) {
    throw explainFileError(error, `finish ${root}`, 'make it writable and run the command again, which goes on there');
  }
}

function readJournal(root: string): Journal {
  const file = path.join(root, JOURNAL);
  try {
    const { write, remove } = JSON.parse(readFileSync(file, 'utf8')) as Journal;
    for (const step of [...write, ...remove]) within(root, step.path);
    return { write, remove };
  } catch {
    throw new UsageError(`${file} is damaged; delete the folder it is in and run the command again.`);
  }
}

function carryOut(root: string, { write, remove }: Journal): string[] {
  checkFolders(
    root,
    [...write, ...remove].map((step) => step.path),
  );
  const open = write.filter(({ path: file }) => existsSync(path.join(root, STAGED, file))); // others: before the kill
  const isChanged = ({ path: file, was }: Step) => (look(root, file).digest ?? null) !== was;
  const isThere = ({ path: file }: Step) => existsSync(path.join(root, file)); // if not, nothing is left to remove
  const left = [...open, ...remove.filter(isThere)].filter(isChanged).map((step) => step.path);
  for (const { path: file } of open) {
    if (left.includes(file)) continue;
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    renameSync(path.join(root, STAGED, file), path.join(root, file));
  }
  for (const { path: file } of remove) {
    if (left.includes(file)) continue;
    rmSync(path.join(root, file), { force: true });
    removeEmptyFolders(root, path.dirname(file));
  }
  finishBaseline(root, left);
  return left;
}

/** Puts the staged baseline in place. A file that was left keeps what was known of it, for the next comparison. */
function finishBaseline(root: string, left: readonly string[]): void {
  const staged = readBaseline(path.join(root, STAGED));
  if (!staged) return; // before the kill
  if (left.length > 0) {
    const before = readBaseline(root) ?? NO_BASELINE;
    const files = new Map(staged.files);
    for (const file of left) files.delete(file);
    for (const file of left) if (before.files.has(file)) files.set(file, before.files.get(file) as string);
    writeFileSync(path.join(root, STAGED, `${BASELINE}.new`), packBaseline({ ...staged, files }));
    renameSync(path.join(root, STAGED, `${BASELINE}.new`), path.join(root, STAGED, BASELINE));
  }
  mkdirSync(path.dirname(path.join(root, BASELINE)), { recursive: true });
  renameSync(path.join(root, STAGED, BASELINE), path.join(root, BASELINE));
}

function within(folder: string, file: string): void {
  const target = path.resolve(folder, file);
  if (!target.startsWith(folder + path.sep)) throw new Error(`${JSON.stringify(file)} lies outside ${folder}`);
}

/** Finds out before anything is changed whether the folder of a file, as far as there is one, takes changes. */
function checkWritable(root: string, file: string): void {
  const folder = path.join(root, path.dirname(file));
  if (!existsSync(folder)) return;
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explainFileError(
      error,
      `change ${folder}`,
      'nothing was changed; make it writable and run the command again',
    );
  }
}

function removeEmptyFolders(root: string, folder: string): void {
  if (folder === '.') return;
  removeIfEmpty(path.join(root, folder));
  if (!existsSync(path.join(root, folder))) removeEmptyFolders(root, path.dirname(folder));
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

function writeFiles(folder: string, files: readonly ProjectFile[]): void {
  for (const file of files) writeFile(path.join(folder, file.path), file.contents, file.mode);
}

function writeFile(target: string, contents: string | Buffer, mode: number): void {
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, contents);
  chmodSync(target, mode);
}
