import { existsSync } from 'node:fs';
import path from 'node:path';
import { createProject } from '../shared/apply.ts';
import { type Baseline, NO_BASELINE, readBaseline } from '../shared/baseline.ts';
import { type Change, compare } from '../shared/changes.ts';
import { UsageError } from '../shared/errors.ts';
import { uncommittedChanges } from '../shared/git.ts';
import type { ProjectFile } from '../shared/overlay.ts';
import { readChangelog } from '../shared/package.ts';
import { notesSince } from '../shared/versions.ts';
import { conflictPrompt, isInteractive } from './answers.ts';
import { type Choice, changeProject } from './change.ts';
import type { Request } from './commands.ts';
import { templateData } from './data.ts';
import type { Plan } from './plan.ts';
import { changeLines, changesFiles, conflictLine, diffOf, nextSteps, overtakenLine, updateLines } from './report.ts';
import type { Terminal } from './terminal.ts';

/** Changes of which --dry-run shows the lines. */
const DIFFED: ReadonlySet<string> = new Set(['update', 'merge', 'conflict']);

/** Puts the files of a project on the disk, or shows what that would change, and says what came of it. */
export class Committer {
  readonly #request: Request;
  readonly #terminal: Terminal;
  readonly #plan: Plan;

  constructor(request: Request, terminal: Terminal, plan: Plan) {
    this.#request = request;
    this.#terminal = terminal;
    this.#plan = plan;
  }

  /** @throws UsageError where the disk refuses, or something is left to the owner to decide. */
  async commit(files: readonly ProjectFile[]): Promise<void> {
    const { root, stored } = this.#plan;
    const isDryRun = this.#request.flags['dry-run'];
    if (!stored && !isDryRun) {
      createProject(root, files);
      this.#sayNextSteps();
      return;
    }
    const baseline = readBaseline(root);
    const changes = compare(root, files, baseline ?? NO_BASELINE);
    if (isDryRun) this.#show(changes);
    else await this.#change(files, changes, baseline);
  }

  get #isUpdate(): boolean {
    return this.#request.command === 'update';
  }

  #show(changes: readonly Change[]): void {
    const diffs = this.#plan.stored ? changes.filter(({ action }) => DIFFED.has(action)).map(diffOf) : [];
    this.#terminal.log([...diffs, ...this.#summary(changes)].join('\n'));
  }

  #summary(changes: readonly Change[]): string[] {
    const lines = this.#isUpdate ? updateLines(changes) : changeLines(changes);
    return lines.length > 0 ? lines : [`${this.#plan.answers.name} is up to date.`];
  }

  async #change(files: readonly ProjectFile[], changes: readonly Change[], baseline: Baseline | undefined) {
    const { root, tiers, stored } = this.#plan;
    this.#warn(changes, baseline);
    const choose = (change: Change) => this.#choose(change);
    const { open, overtaken } = await changeProject(root, files, changes, baseline ?? NO_BASELINE, choose);
    this.#terminal.log(this.#summary(changes).join('\n'));
    if (this.#isUpdate && changes.some(changesFiles)) this.#sayNotes();
    if (tiers.size > (stored?.tiers.size ?? 0)) this.#sayNextSteps();
    if (overtaken.length > 0) throw new UsageError(overtakenLine(overtaken));
    if (open.length > 0) throw new UsageError(conflictLine(open));
  }

  #warn(changes: readonly Change[], baseline: Baseline | undefined): void {
    const { root } = this.#plan;
    if (!baseline) {
      const missing = existsSync(path.join(root, '.three-tier')) ? 'baseline' : 'folder .three-tier';
      this.#terminal.log(
        `The ${missing} is missing, so edits cannot be told from older output: yours are kept where they differ.`,
      );
    }
    const uncommitted = changes.some(changesFiles) ? uncommittedChanges(root) : 0;
    if (uncommitted === 0) return;
    const what = uncommitted === 1 ? 'a change that is' : `${uncommitted} changes that are`;
    this.#terminal.log(`Git has ${what} not committed here; what this run changes comes on top of that.`);
  }

  #sayNextSteps(): void {
    const { root, answers, tiers } = this.#plan;
    this.#terminal.log(nextSteps(root, this.#terminal.cwd, templateData(answers, tiers)));
  }

  #sayNotes(): void {
    const from = this.#plan.stored?.version;
    const notes = notesSince(readChangelog(), from);
    if (!notes) return;
    this.#terminal.log(`\nNew since ${from ?? 'the version that wrote it, which it does not say'}:\n\n${notes}\n`);
  }

  /** What becomes of a conflict: with --force ours, at a terminal what the user says, otherwise it stays open. */
  async #choose(change: Change): Promise<Choice | undefined> {
    const { force, yes } = this.#request.flags;
    if (force) return 'take';
    if (yes || !isInteractive()) return undefined;
    for (;;) {
      const { choice } = await this.#terminal.prompt([conflictPrompt(change.path)]);
      if (choice !== 'diff') return choice as Choice;
      const { result: _withMarkers, ...plain } = change;
      this.#terminal.log(diffOf(plain));
    }
  }
}
