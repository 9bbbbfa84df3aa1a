import { existsSync } from 'node:fs';
import path from 'node:path';
import { createProject } from './apply.ts';
import { type Baseline, NO_BASELINE, readBaseline } from './baseline.ts';
import { type Choice, changeProject } from './change.ts';
import { type Change, compare } from './changes.ts';
import type { Switches } from './command.ts';
import { UsageError } from './errors.ts';
import { uncommittedChanges } from './git.ts';
import type { Host } from './host.ts';
import { CONFIG } from './location.ts';
import type { ProjectFile } from './overlay.ts';
import { readChangelog } from './package.ts';
import type { Plan } from './project.ts';
import { conflictPrompt } from './prompts.ts';
import { dataOf } from './render.ts';
import { changeLines, changesFiles, conflictLine, diffOf, nextSteps, overtakenLine, updateLines } from './report.ts';
import { notesSince } from './versions.ts';

/** Changes of which --dry-run shows the lines. */
const DIFFED: ReadonlySet<string> = new Set(['update', 'merge', 'conflict']);

/** How the files of a project are put on the disk. */
export interface Manner extends Switches {
  /** Whether the project is only brought to the installed version, of which the report is another. */
  readonly isUpdate: boolean;
  /** Whether the run ends where it would change a file. */
  readonly bail: boolean;
}

/** Puts the files of a project on the disk, or shows what that would change, and says what came of it. */
export class Committer {
  readonly #host: Host;
  readonly #plan: Plan;
  readonly #manner: Manner;

  constructor(host: Host, plan: Plan, manner: Manner) {
    this.#host = host;
    this.#plan = plan;
    this.#manner = manner;
  }

  /**
   * @param files - What is to be written.
   * @param generated - The same as it was generated, if another generator has changed it since.
   * @returns what is left to the owner to decide, as the error with which the run is to end.
   * @throws UsageError where the disk refuses.
   */
  async commit(files: readonly ProjectFile[], generated = files): Promise<UsageError | undefined> {
    const { root, stored } = this.#plan;
    const baseline = stored && readBaseline(root);
    const changes = compare(root, files, baseline ?? NO_BASELINE);
    if (this.#manner.bail) bailOut(changes);
    if (this.#manner['dry-run']) return this.#show(changes);
    if (stored) return this.#change(generated, changes, baseline);
    createProject(root, files, generated);
    return this.#sayNextSteps();
  }

  #show(changes: readonly Change[]): undefined {
    const diffs = this.#plan.stored ? changes.filter(({ action }) => DIFFED.has(action)) : [];
    const lines = diffs.map((change) => diffOf(change, process.stdout));
    this.#host.print([...lines, ...this.#summary(changes)].join('\n'));
  }

  #summary(changes: readonly Change[]): string[] {
    const lines = this.#manner.isUpdate ? updateLines(changes) : changeLines(changes);
    return lines.length > 0 ? lines : [`${this.#plan.answers.name} is up to date.`];
  }

  async #change(
    generated: readonly ProjectFile[],
    changes: readonly Change[],
    baseline: Baseline | undefined,
  ): Promise<UsageError | undefined> {
    const { root, tiers, stored } = this.#plan;
    this.#warn(changes, baseline);
    const choose = (change: Change) => this.#choose(change);
    const { open, overtaken } = await changeProject(root, generated, changes, baseline ?? NO_BASELINE, choose);
    this.#host.log(this.#summary(changes).join('\n'));
    if (this.#manner.isUpdate && changes.some(changesFiles)) this.#sayNotes();
    if (tiers.size > (stored?.tiers.size ?? 0)) this.#sayNextSteps();
    if (overtaken.length > 0) return new UsageError(overtakenLine(overtaken));
    return open.length > 0 ? new UsageError(conflictLine(open)) : undefined;
  }

  #warn(changes: readonly Change[], baseline: Baseline | undefined): void {
    const { root } = this.#plan;
    if (!baseline && existsSync(path.join(root, CONFIG))) {
      const missing = existsSync(path.join(root, '.three-tier')) ? 'baseline' : 'folder .three-tier';
      this.#host.log(
        `The ${missing} is missing, so edits cannot be told from older output: yours are kept where they differ.`,
      );
    }
    const uncommitted = changes.some(changesFiles) ? uncommittedChanges(root) : 0;
    if (uncommitted === 0) return;
    const what = uncommitted === 1 ? 'a change that is' : `${uncommitted} changes that are`;
    this.#host.log(`Git has ${what} not committed here; what this run changes comes on top of that.`);
  }

  #sayNextSteps(): undefined {
    this.#host.log(nextSteps(this.#plan.root, this.#host.cwd, dataOf(this.#plan)));
  }

  #sayNotes(): void {
    const from = this.#plan.stored?.version;
    const notes = notesSince(readChangelog(), from);
    if (!notes) return;
    this.#host.log(`\nNew since ${from ?? 'the version that wrote it, which it does not say'}:\n\n${notes}\n`);
  }

  /** What becomes of a conflict: with --force ours, at a terminal what the user says, otherwise it stays open. */
  async #choose(change: Change): Promise<Choice | undefined> {
    const { force, yes } = this.#manner;
    if (force) return 'take';
    if (yes || !this.#host.canAsk) return undefined;
    for (;;) {
      const { choice } = await this.#host.prompt([conflictPrompt(change.path)]);
      if (choice !== 'diff') return choice as Choice;
      const { result: _withMarkers, ...plain } = change;
      this.#host.log(diffOf(plain, process.stderr));
    }
  }
}

/** @throws UsageError where a file would change. */
function bailOut(changes: readonly Change[]): void {
  const changing = changes.find(changesFiles);
  if (changing) throw new UsageError(`--bail: ${changing.path} would change, so nothing was written.`);
}
