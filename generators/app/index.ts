import { existsSync } from 'node:fs';
import path from 'node:path';
import { createProject, finishPending, isPending } from '../shared/apply.ts';
import { type Baseline, NO_BASELINE, readBaseline } from '../shared/baseline.ts';
import { type Change, compare } from '../shared/changes.ts';
import { Command, type CommandOptions } from '../shared/command.ts';
import { UsageError } from '../shared/errors.ts';
import { uncommittedChanges } from '../shared/git.ts';
import { CONFIG, checkNewRoot, readStored, type Stored, storedContents } from '../shared/location.ts';
import { nearestName } from '../shared/names.ts';
import { renderOverlay } from '../shared/overlay.ts';
import { installedVersion, readChangelog } from '../shared/package.ts';
import { openProject, type Project } from '../shared/project.ts';
import { type Answers, nameQuestion, type Question } from '../shared/questions.ts';
import { hasCommonFile, missingFrom, TIERS, type TierId, type Tiers } from '../shared/tiers.ts';
import { isNewer, notesSince } from '../shared/versions.ts';
import { completeAnswers, conflictPrompt, isInteractive, missingAnswer, toPrompt } from './answers.ts';
import { type Choice, changeProject } from './change.ts';
import { templateData } from './data.ts';
import { allQuestions, questionsOf, tierQuestions } from './questions.ts';
import { changeLines, changesFiles, conflictLine, diffOf, nextSteps, overtakenLine, updateLines } from './report.ts';

/** Changes of which --dry-run shows the lines. */
const DIFFED: ReadonlySet<string> = new Set(['update', 'merge', 'conflict']);

/** How a run came here, where it was not by `yo three-tier` itself. */
interface Entry {
  /** The tier that is run alone. */
  readonly tier?: TierId;
  /** The answers that it is about. */
  readonly about: readonly string[];
  /** Whether the project is brought to the installed version, as it is. */
  readonly update?: boolean;
}

type AppOptions = CommandOptions & { readonly entry?: Entry };

/** The whole project: `yo three-tier`. A tier that is run alone comes through here too, and so does an update. */
export default class AppGenerator extends Command<AppOptions> {
  #given: Partial<Answers> = {};
  #stored: Stored | undefined;
  #project!: Project;

  constructor(args: string[], options: AppOptions) {
    super(args, options, tierQuestions);
    this.argument('name', { type: String, required: false, description: 'Name of the agent' });
    this.option('output', { type: String, description: 'Folder to write (default: agents/<name>)' });
    this.desc('Writes an AI agent as three services: interface, agent and database.');
    this.setFeatures({ customCommitTask: () => this.guard(() => this.#commit()), customInstallTask: true });
  }

  override usage(): string {
    return super.usage().replace('three-tier:app', 'three-tier');
  }

  initializing(): void {
    this.refuseUnknownFlags(['name', ...(typeof this.options.entry === 'object' ? ['entry'] : [])]);
    if (this.args.length > 1) throw new UsageError(`${JSON.stringify(this.args[1])}: only one name can be given.`);
    this.#given = this.given(allQuestions);
  }

  async prompting(): Promise<void> {
    const root = await this.#locate();
    this.#stored = this.#open(root);
    if (this.#stored) this.#checkStored(root, this.#stored);
    else checkNewRoot(root);
    const tiers = this.#tiers();
    const questions = questionsOf(tiers).map((question) => this.#suggest(question, root));
    const answers = completeAnswers(questions, await this.#ask(questions, this.#stored?.answers));
    const contents = storedContents(root, answers, tiers, installedVersion());
    const config = { path: CONFIG, contents, mode: 0o644, isComplete: true };
    this.#project = { root, answers, tiers, data: templateData(answers, tiers), files: [config] };
    openProject(this.env, this.#project);
  }

  async configuring(): Promise<void> {
    const { tiers } = this.#project;
    // The database brings the agent's memory, whether or not it runs here itself.
    const needed = TIERS.filter((tier) => tiers.has(tier) || (tier === 'db' && tiers.has('agent')));
    for (const tier of needed) await this.composeWith(`three-tier:${tier}`);
  }

  writing(): void {
    const { files, data, tiers } = this.#project;
    const templates = (folder: string) => path.join(import.meta.dirname, folder);
    files.push(...renderOverlay(templates('templates'), data, (file) => hasCommonFile(file, tiers)));
    if (missingFrom(tiers).length > 0) files.push(...renderOverlay(templates('partial'), data, () => true));
  }

  get #entry(): Entry {
    return this.options.entry ?? { about: [] };
  }

  /** The project that stands here where the command means it, or else the folder to write. */
  async #locate(): Promise<string> {
    const { cwd } = this.env;
    const { output } = this.options;
    const here = this.#open(cwd);
    if (this.#entry.update && !here) {
      throw new UsageError('There is no project here: go to its folder, or make one with "yo three-tier <name>".');
    }
    if (this.#entry.tier || this.#entry.update) return cwd;
    if (output === '') throw new UsageError('--output: "" is no folder; give one, or leave the flag out.');
    if (output !== undefined) return path.resolve(cwd, String(output));
    if (here && (this.#given.name ?? here.answers.name) === here.answers.name) return cwd;
    this.#given = await this.#ask([nameQuestion]);
    if (!this.#given.name) throw missingAnswer(nameQuestion);
    return path.resolve(cwd, 'agents', this.#given.name);
  }

  /** What a project has stored, once the run that was killed in it is finished. */
  #open(root: string): Stored | undefined {
    if (isPending(root)) {
      if (this.options['dry-run']) {
        throw new UsageError(
          `A run in ${root} was killed; run the command without --dry-run, which finishes it first.`,
        );
      }
      finishPending(root);
    }
    return readStored(root, allQuestions);
  }

  #checkStored(root: string, { answers: { name }, version }: Stored): void {
    if (this.#given.name && name !== this.#given.name) {
      const advice = this.#entry.tier ? 'leave the flag out' : 'choose another --output';
      throw new UsageError(`name: the project in ${root} is called ${name}; ${advice}.`);
    }
    if (version && isNewer(version, installedVersion())) {
      const versions = `version ${version} wrote this project, and ${installedVersion()} is installed`;
      throw new UsageError(`generator-three-tier: ${versions}; install the newest, and run the command again.`);
    }
  }

  /** A tier that is run alone adds itself, an update adds none; `yo three-tier` makes the project whole. */
  #tiers(): Tiers {
    const { tier, update } = this.#entry;
    const there = this.#stored?.tiers ?? [];
    if (update) return new Set(there);
    return new Set(tier ? [...there, tier] : TIERS);
  }

  /** A tier that is run alone in an empty folder suggests the folder's name, as far as it can be that of an agent. */
  #suggest(question: Question, root: string): Question {
    if (question.key !== 'name' || !this.#entry.tier || this.#stored) return question;
    const folder = path.basename(root);
    const name = nearestName(folder);
    const isAsked = !this.options.yes && isInteractive();
    if (name === folder || isAsked || this.#given.name) return { ...question, default: name };
    throw new UsageError(
      `--name: ${JSON.stringify(folder)} cannot be the agent's name; give one, as in --name ${name}.`,
    );
  }

  /** The flags, then what the project has stored, then what a person answers to the questions that are left. */
  async #ask(questions: readonly Question[], stored: Partial<Answers> = {}): Promise<Partial<Answers>> {
    const known = { ...stored, ...this.#given };
    if (this.options.yes || this.#entry.update) return known;
    const open = questions.filter(({ key, asked }) => asked && (known[key] === undefined || this.#isReconsidered(key)));
    if (open.length === 0) return known;
    if (!isInteractive()) throw missingAnswer(open[0] as Question);
    const prompts = open.map((question) => toPrompt(question, stored[question.key] ?? question.default));
    return { ...known, ...(await this.prompt(prompts)) };
  }

  /** A tier that is run alone at a terminal asks again what it is about. */
  #isReconsidered(key: keyof Answers): boolean {
    return isInteractive() && this.#given[key] === undefined && this.#entry.about.includes(key);
  }

  async #commit(): Promise<void> {
    const { root, files } = this.#project;
    if (!this.#stored && !this.options['dry-run']) {
      createProject(root, files);
      this.#sayNextSteps();
      return;
    }
    const baseline = readBaseline(root);
    const changes = compare(root, files, baseline ?? NO_BASELINE);
    if (this.options['dry-run']) this.#show(changes);
    else await this.#change(changes, baseline);
  }

  #show(changes: readonly Change[]): void {
    const diffs = this.#stored ? changes.filter(({ action }) => DIFFED.has(action)).map(diffOf) : [];
    this.log([...diffs, ...this.#summary(changes)].join('\n'));
  }

  #summary(changes: readonly Change[]): string[] {
    const lines = this.#entry.update ? updateLines(changes) : changeLines(changes);
    return lines.length > 0 ? lines : [`${this.#project.answers.name} is up to date.`];
  }

  async #change(changes: readonly Change[], baseline: Baseline | undefined): Promise<void> {
    const { root, files } = this.#project;
    this.#warn(changes, baseline);
    const choose = (change: Change) => this.#choose(change);
    const { open, overtaken } = await changeProject(root, files, changes, baseline ?? NO_BASELINE, choose);
    this.log(this.#summary(changes).join('\n'));
    if (this.#entry.update && changes.some(changesFiles)) this.#sayNotes();
    if (this.#project.tiers.size > (this.#stored?.tiers.size ?? 0)) this.#sayNextSteps();
    if (overtaken.length > 0) throw new UsageError(overtakenLine(overtaken));
    if (open.length > 0) throw new UsageError(conflictLine(open));
  }

  #warn(changes: readonly Change[], baseline: Baseline | undefined): void {
    const { root } = this.#project;
    if (!baseline) {
      const missing = existsSync(path.join(root, '.three-tier')) ? 'baseline' : 'folder .three-tier';
      this.log(
        `The ${missing} is missing, so edits cannot be told from older output: yours are kept where they differ.`,
      );
    }
    const uncommitted = changes.some(changesFiles) ? uncommittedChanges(root) : 0;
    if (uncommitted === 0) return;
    const what = uncommitted === 1 ? 'a change that is' : `${uncommitted} changes that are`;
    this.log(`Git has ${what} not committed here; what this run changes comes on top of that.`);
  }

  #sayNextSteps(): void {
    const { root, answers, tiers } = this.#project;
    this.log(nextSteps(root, this.env.cwd, templateData(answers, tiers)));
  }

  #sayNotes(): void {
    const from = this.#stored?.version;
    const notes = notesSince(readChangelog(), from);
    if (notes) this.log(`\nNew since ${from ?? 'the version that wrote it, which it does not say'}:\n\n${notes}\n`);
  }

  /** What becomes of a conflict: with --force ours, at a terminal what the user says, otherwise it stays open. */
  async #choose(change: Change): Promise<Choice | undefined> {
    if (this.options.force) return 'take';
    if (this.options.yes || !isInteractive()) return undefined;
    for (;;) {
      const { choice } = await this.prompt<{ choice: Choice | 'diff' }>([conflictPrompt(change.path)]);
      if (choice !== 'diff') return choice;
      const { result: _withMarkers, ...plain } = change;
      this.log(diffOf(plain));
    }
  }
}
