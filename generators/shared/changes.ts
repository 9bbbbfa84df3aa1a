import { diff3Merge } from 'node-diff3';
import { BASELINE, type Baseline } from './baseline.ts';
import { checkFolders, type Found, look } from './disk.ts';
import { movedTo } from './moves.ts';
import type { ProjectFile } from './overlay.ts';
import { settledDigests, withDigests } from './pins.ts';

/**
 * What a run means for one file, from what was generated last (base), what is on the disk (theirs) and what is
 * generated now (ours):
 *
 *     same       the disk holds it already
 *     create     it is new
 *     update     nobody edited it
 *     merge      edited, and both changes fit together
 *     keep       edited, and there is nothing new, or it is in the edit already
 *     conflict   edited where there is something new
 *     deleted    the user deleted it; it stays away
 *     remove     it is no longer generated, and nobody edited it
 *     orphan     it is no longer generated, but edited, so it stays
 */
export type Action = 'same' | 'create' | 'update' | 'merge' | 'keep' | 'conflict' | 'deleted' | 'remove' | 'orphan';

export interface Change {
  readonly path: string;
  readonly action: Action;
  /** On the disk now; undefined where there is no text. */
  readonly theirs?: string;
  /** Tells whether the disk still holds that when the change is carried out. */
  readonly digest: string | undefined;
  /** Generated now; undefined where it is no longer generated. */
  readonly ours?: string;
  /** What the file becomes; of a conflict, both versions between conflict markers. */
  readonly result?: string;
  readonly mode: number;
}

/** A file that was generated last and is no longer, and what the disk holds of it. */
interface Gone extends Found {
  readonly path: string;
  readonly base: string;
}

/** Compares the files generated now with the project in `root` and with what was generated last. */
export function compare(root: string, files: readonly ProjectFile[], { files: last, left }: Baseline): Change[] {
  const generated = new Set(files.map((file) => file.path));
  const unused = [...last].filter(([file]) => !generated.has(file));
  checkFolders(root, [BASELINE, ...generated, ...unused.map(([file]) => file)]);
  const gone = unused.map(([path, base]): Gone => ({ path, base, ...look(root, path) }));
  const moved = new Map(gone.flatMap((each) => compareMoved(root, each, files)));
  return [
    ...files.map((file) => {
      const carried = moved.get(file.path);
      if (carried) return carried;
      const found = look(root, file.path);
      // What the owner kept of an earlier choice, and has deleted since, is generated like any new file.
      const base = last.get(file.path) ?? (found.digest ? left.get(file.path) : undefined);
      return compareFile(file, found, base);
    }),
    ...gone.flatMap((each) => moved.get(each.path) ?? compareGone(each)),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What is known of the files once the changes are carried out. */
export function nextBaseline(files: readonly ProjectFile[], changes: readonly Change[], before: Baseline): Baseline {
  const now = new Map(files.map(({ path, contents }) => [path, contents]));
  const orphans = changes.filter(({ action }) => action === 'orphan').map(({ path }) => path);
  const left = [...before.left, ...orphans.map((path) => [path, before.files.get(path) ?? ''] as const)];
  return { files: now, left: new Map(left.filter(([path]) => !now.has(path))) };
}

function compareFile(file: ProjectFile, found: Found, base: string | undefined): Change {
  const { path, contents: ours } = file;
  const { digest, text: theirs } = found;
  const common = { path, digest, ours, mode: digest ? keptMode(found.mode, file.mode) : file.mode };
  if (!digest && base === undefined) return { ...common, action: 'create', result: ours };
  if (!digest) return { ...common, action: 'deleted' };
  if (theirs === undefined) return { ...common, action: base === ours ? 'keep' : 'conflict', result: ours };
  const { text, restore } = withoutCarriageReturns(theirs);
  const change = (action: Action, result?: string): Change => ({
    ...common,
    action,
    theirs,
    ...(result === undefined ? {} : { result: restore(result) }),
  });
  if (text === ours) return change('same');
  if (text === base || file.isComplete) return change('update', ours);
  if (base === ours) return change('keep');
  const merged = merge(text, base ?? '', ours);
  if (merged.text === text) return change('keep');
  return change(merged.conflict ? 'conflict' : 'merge', merged.text);
}

/**
 * What is edited in a file goes along to where the file is now: two changes, by their paths, or none where the edit does not
 * fit what is generated there, or there is none.
 */
function compareMoved(root: string, gone: Gone, files: readonly ProjectFile[]): [string, Change][] {
  const { path: from, base, digest, text: theirs, mode } = gone;
  if (theirs === undefined) return [];
  const { text, restore } = withoutCarriageReturns(theirs);
  if (text === base) return [];
  const file = movedTo(from, files);
  if (!file || look(root, file.path).digest) return [];
  const merged = merge(text, base, file.contents);
  if (merged.conflict) return [];
  const { path, contents: ours } = file;
  const carried = { path, ours, digest: undefined, mode: keptMode(mode, file.mode), result: restore(merged.text) };
  return [
    [path, { ...carried, action: 'merge' }],
    [from, { path: from, action: 'remove', digest, mode, theirs }],
  ];
}

function compareGone({ path, base, digest, text: theirs, mode }: Gone): Change[] {
  if (!digest) return [];
  const isEdited = theirs === undefined || withoutCarriageReturns(theirs).text !== base;
  const action = isEdited ? 'orphan' : 'remove';
  return [{ path, action, digest, mode, ...(theirs === undefined ? {} : { theirs }) }];
}

/** The owner's permissions stay; what is to be run can be run by whoever can read it. */
function keptMode(theirs: number, ours: number): number {
  return ours & 0o111 ? theirs | ((theirs & 0o444) >> 2) : theirs;
}

export function merge(theirs: string, base: string, ours: string): { text: string; conflict: boolean } {
  const digests = settledDigests(theirs, base);
  const [last, now] = [base, ours].map((text) => withDigests(text, digests).split('\n')) as [string[], string[]];
  const regions = diff3Merge(theirs.split('\n'), last, now);
  const lines = regions.flatMap(({ ok, conflict }) =>
    conflict ? ['<<<<<<< yours', ...conflict.a, '=======', ...conflict.b, '>>>>>>> generated'] : (ok ?? []),
  );
  return { text: lines.join('\n'), conflict: regions.some((region) => region.conflict) };
}

/**
 * A checkout may have given every line a carriage return. That is no edit, and it is kept. Where only some lines have
 * one, they are edited lines like any other.
 */
function withoutCarriageReturns(text: string): { text: string; restore: (text: string) => string } {
  const isOnEveryLine = text.includes('\r\n') && !/(?<!\r)\n/.test(text);
  if (!isOnEveryLine) return { text, restore: (lines) => lines };
  return { text: text.replaceAll('\r\n', '\n'), restore: (lines) => lines.replaceAll('\n', '\r\n') };
}
