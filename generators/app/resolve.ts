import type { Change } from '../shared/changes.ts';
import type { ProjectFile } from '../shared/overlay.ts';

/** What to do about a file that was edited where there is something new. */
export type Choice = 'keep' | 'take' | 'merge';

export interface Resolution {
  /** Files that get new contents. */
  readonly write: readonly ProjectFile[];
  /** Files that go. */
  readonly remove: readonly string[];
  /** Conflicts that nobody has decided: the user's file is kept, and ours lies beside it as `FILE.new`. */
  readonly open: readonly string[];
}

const WRITTEN: ReadonlySet<string> = new Set(['create', 'update', 'merge']);

/** Turns changes into files to write and to remove; `choose` decides a conflict, or leaves it open with undefined. */
export async function resolve(
  changes: readonly Change[],
  choose: (change: Change) => Promise<Choice | undefined>,
): Promise<Resolution> {
  const write: ProjectFile[] = [];
  const open: string[] = [];
  for (const change of changes) {
    const { path, action, result, mode } = change;
    if (action === 'conflict') {
      const choice = change.theirs === undefined ? undefined : await choose(change);
      if (choice === undefined) open.push(path);
      const chosen = { keep: undefined, take: change.ours, merge: result }[choice ?? 'keep'];
      if (chosen !== undefined) write.push({ path, contents: chosen, mode });
      if (choice === undefined) write.push({ path: `${path}.new`, contents: change.ours ?? '', mode: 0o644 });
    } else if (WRITTEN.has(action) && result !== undefined) {
      write.push({ path, contents: result, mode });
    }
  }
  return { write, open, remove: changes.filter(({ action }) => action === 'remove').map(({ path }) => path) };
}
