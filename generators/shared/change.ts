import { type Edits, type Replacement, updateProject } from './apply.ts';
import type { Baseline } from './baseline.ts';
import { type Change, nextBaseline } from './changes.ts';
import { look } from './disk.ts';
import type { ProjectFile } from './overlay.ts';

/** What to do about a file that was edited where there is something new. */
export type Choice = 'keep' | 'take' | 'merge';

/** A conflict that nobody has decided: the owner's file is kept, and ours lies beside it. */
export interface OpenConflict {
  readonly path: string;
  readonly beside: string;
}

/** What a change of a project leaves to its owner. */
export interface Left {
  readonly open: readonly OpenConflict[];
  /** Files that somebody changed between the decision about them and its execution. */
  readonly overtaken: readonly string[];
}

const WRITTEN: ReadonlySet<string> = new Set(['create', 'update', 'merge']);

/**
 * Carries out what a run means for a project.
 *
 * @param files - All that is generated now.
 * @param baseline - What was generated last.
 * @param choose - Decides a conflict, or leaves it open with undefined.
 * @throws UsageError where the project cannot be written.
 */
export async function changeProject(
  root: string,
  files: readonly ProjectFile[],
  changes: readonly Change[],
  baseline: Baseline,
  choose: (change: Change) => Promise<Choice | undefined>,
): Promise<Left> {
  const { open, ...edits } = await decide(root, changes, baseline, choose);
  return { open, overtaken: updateProject(root, edits, nextBaseline(files, changes, baseline)) };
}

async function decide(
  root: string,
  changes: readonly Change[],
  baseline: Baseline,
  choose: (change: Change) => Promise<Choice | undefined>,
): Promise<Edits & Pick<Left, 'open'>> {
  const write: Replacement[] = [];
  const open: OpenConflict[] = [];
  for (const change of changes) {
    if (change.action !== 'conflict') {
      if (WRITTEN.has(change.action)) write.push(replacement(change, change.result));
      continue;
    }
    const choice = change.theirs === undefined ? undefined : await choose(change); // nothing replaces a link or a folder
    if (choice === 'take') write.push(replacement(change, change.ours));
    if (choice === 'merge') write.push(replacement(change, change.result));
    if (choice !== undefined) continue;
    const beside = placeBeside(root, change, baseline);
    write.push(beside);
    open.push({ path: change.path, beside: beside.path });
  }
  const gone = changes.filter(({ action }) => action === 'remove');
  return { write, remove: gone.map(({ path, digest }) => ({ path, was: digest ?? null })), open };
}

function replacement({ path, mode, digest }: Change, contents = ''): Replacement {
  return { path, contents, mode, was: digest ?? null };
}

/**
 * What is generated for a file that is kept as it is goes to `FILE.new`, or to `FILE.new2` and so on where somebody
 * has written there: only what an earlier run put there is replaced.
 */
function placeBeside(root: string, { path, ours = '' }: Change, { files }: Baseline): Replacement {
  for (let number = 1; ; number += 1) {
    const name = `${path}.new${number > 1 ? number : ''}`;
    const { digest, text } = look(root, name);
    if (!digest || text === ours || (text !== undefined && text === files.get(path))) {
      return { path: name, contents: ours, mode: 0o644, was: digest ?? null };
    }
  }
}
