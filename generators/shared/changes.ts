import { lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { diff3Merge } from 'node-diff3';
import type { Baseline } from './baseline.ts';
import type { ProjectFile } from './overlay.ts';

/**
 * What a run means for one file, from what was generated last (base), what is on the disk (theirs) and what is
 * generated now (ours):
 *
 *     same       the disk holds it already
 *     create     it is new
 *     update     nobody edited it
 *     merge      edited, and both changes fit together
 *     keep       edited, and there is nothing new
 *     conflict   edited where there is something new
 *     deleted    the user deleted it; it stays away
 *     remove     it is no longer generated, and nobody edited it
 *     orphan     it is no longer generated, but edited, so it stays
 */
export type Action = 'same' | 'create' | 'update' | 'merge' | 'keep' | 'conflict' | 'deleted' | 'remove' | 'orphan';

export interface Change {
  readonly path: string;
  readonly action: Action;
  /** On the disk now; undefined where there is no file. */
  readonly theirs?: string;
  /** Generated now; undefined where it is no longer generated. */
  readonly ours?: string;
  /** What the file becomes; of a conflict, both versions between conflict markers. */
  readonly result?: string;
  readonly mode: number;
}

/** Compares the files generated now with the project in `root` and with what was generated last. */
export function compare(root: string, files: readonly ProjectFile[], baseline: Baseline): Change[] {
  const generated = new Set(files.map((file) => file.path));
  const gone = [...baseline].filter(([file]) => !generated.has(file));
  return [
    ...files.map((file) => compareFile(root, file, baseline.get(file.path))),
    ...gone.flatMap(([file, base]) => compareGone(root, file, base)),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function compareFile(
  root: string,
  { path: file, contents: ours, mode }: ProjectFile,
  base: string | undefined,
): Change {
  const found = readText(path.join(root, file));
  if (found === undefined) {
    const action = base === undefined ? 'create' : 'deleted';
    return { path: file, action, ours, mode, ...(action === 'create' ? { result: ours } : {}) };
  }
  if (found === null) return { path: file, action: base === ours ? 'keep' : 'conflict', ours, result: ours, mode };
  const { text: theirs, restore } = withoutCarriageReturns(found);
  const change = (action: Action, result?: string): Change => ({
    ...{ path: file, action, theirs: found, ours, mode },
    ...(result === undefined ? {} : { result: restore(result) }),
  });
  if (theirs === ours) return change('same');
  if (theirs === base) return change('update', ours);
  if (base === ours) return change('keep');
  const { text, conflict } = merge(theirs, base ?? '', ours);
  return change(conflict ? 'conflict' : 'merge', text);
}

function compareGone(root: string, file: string, base: string): Change[] {
  const theirs = readText(path.join(root, file));
  if (theirs === undefined) return [];
  const isEdited = theirs === null || withoutCarriageReturns(theirs).text !== base;
  return [{ path: file, action: isEdited ? 'orphan' : 'remove', mode: 0, ...(theirs === null ? {} : { theirs }) }];
}

function merge(theirs: string, base: string, ours: string): { text: string; conflict: boolean } {
  const regions = diff3Merge(theirs.split('\n'), base.split('\n'), ours.split('\n'));
  const lines = regions.flatMap(({ ok, conflict }) =>
    conflict ? ['<<<<<<< yours', ...conflict.a, '=======', ...conflict.b, '>>>>>>> generated'] : (ok ?? []),
  );
  return { text: lines.join('\n'), conflict: regions.some((region) => region.conflict) };
}

/** A checkout may have given every line a carriage return. That is no edit, and it is kept. */
function withoutCarriageReturns(text: string): { text: string; restore: (text: string) => string } {
  const restore = (lines: string) => (text.includes('\r\n') ? lines.replaceAll('\n', '\r\n') : lines);
  return { text: text.replaceAll('\r\n', '\n'), restore };
}

/** The text of a file, undefined where there is none, null where a folder or a link has its place. */
function readText(file: string): string | undefined | null {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (!found) return undefined;
  return found.isFile() ? readFileSync(file, 'utf8') : null;
}
