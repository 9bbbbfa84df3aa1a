import path from 'node:path';
import { createProject, finishPending, updateProject } from '../shared/apply.ts';
import { readBaseline } from '../shared/baseline.ts';
import { type Change, compare } from '../shared/changes.ts';
import { Command, type CommandOptions } from '../shared/command.ts';
import { UsageError } from '../shared/errors.ts';
import { CONFIG, checkNewRoot, readStored, storedAnswers } from '../shared/location.ts';
import { renderOverlay } from '../shared/overlay.ts';
import { openProject, type Project } from '../shared/project.ts';
import { type Answers, nameQuestion, type Question } from '../shared/questions.ts';
import { completeAnswers, conflictPrompt, isInteractive, missingAnswer, toPrompt } from './answers.ts';
import { templateData } from './data.ts';
import { allQuestions, tierQuestions } from './questions.ts';
import { changeLines, diffOf, nextSteps } from './report.ts';
import { type Choice, resolve } from './resolve.ts';

const TIERS = ['db', 'agent', 'interface'];
/** Changes of which --dry-run shows the lines. */
const DIFFED: ReadonlySet<string> = new Set(['update', 'merge', 'conflict']);

type AppOptions = CommandOptions & {
  /** Set by a tier that is run alone: the answers that it is about. */
  readonly about?: readonly (keyof Answers)[];
};

/** The whole project: `yo three-tier`. A tier that is run alone comes through here too. */
export default class AppGenerator extends Command<AppOptions> {
  #given: Partial<Answers> = {};
  #isNew = false;
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
    this.refuseUnknownFlags(['name', 'about']);
    if (this.args.length > 1) throw new UsageError(`${JSON.stringify(this.args[1])}: only one name can be given.`);
    this.#given = this.given(allQuestions);
  }

  async prompting(): Promise<void> {
    const root = await this.#locate();
    const stored = readStored(root, allQuestions);
    if (stored && this.#given.name && stored.name !== this.#given.name) {
      throw new UsageError(`name: the project in ${root} is called ${stored.name}; choose another --output.`);
    }
    if (!stored) checkNewRoot(root);
    this.#isNew = !stored;
    const answers = completeAnswers(allQuestions, await this.#ask(allQuestions, stored));
    const config = { path: CONFIG, contents: storedAnswers(answers, TIERS), mode: 0o644 };
    this.#project = { root, answers, data: templateData(answers), files: [config] };
    openProject(this.env, this.#project);
  }

  async configuring(): Promise<void> {
    for (const tier of TIERS) await this.composeWith(`three-tier:${tier}`);
  }

  writing(): void {
    this.#project.files.push(...renderOverlay(path.join(import.meta.dirname, 'templates'), this.#project.data));
  }

  /** The project that stands here where the command means it, or else the folder to write. */
  async #locate(): Promise<string> {
    const { cwd } = this.env;
    const { about, output } = this.options;
    const here = readStored(cwd, allQuestions);
    if (about && !here) {
      throw new UsageError('There is no project here: go to its folder, or make one with "yo three-tier <name>".');
    }
    if (output === '') throw new UsageError('--output: "" is no folder; give one, or leave the flag out.');
    if (output !== undefined) return path.resolve(cwd, String(output));
    if (here && (this.#given.name ?? here.name) === here.name) return cwd;
    this.#given = await this.#ask([nameQuestion]);
    if (!this.#given.name) throw missingAnswer(nameQuestion);
    return path.resolve(cwd, 'agents', this.#given.name);
  }

  /** The flags, then what the project has stored, then what a person answers to the questions that are left. */
  async #ask(questions: readonly Question[], stored: Partial<Answers> = {}): Promise<Partial<Answers>> {
    const known = { ...stored, ...this.#given };
    if (this.options.yes) return known;
    const open = questions.filter(({ key, asked }) => asked && (known[key] === undefined || this.#isReconsidered(key)));
    if (open.length === 0) return known;
    if (!isInteractive()) throw missingAnswer(open[0] as Question);
    const prompts = open.map((question) => toPrompt(question, stored[question.key] ?? question.default));
    return { ...known, ...(await this.prompt(prompts)) };
  }

  /** A tier that is run alone at a terminal asks again what it is about. */
  #isReconsidered(key: keyof Answers): boolean {
    return isInteractive() && this.#given[key] === undefined && Boolean(this.options.about?.includes(key));
  }

  async #commit(): Promise<void> {
    const { root, files, answers } = this.#project;
    if (!this.options['dry-run']) finishPending(root);
    const changes = compare(root, files, readBaseline(root));
    if (this.options['dry-run']) this.#show(changes);
    else if (this.#isNew) {
      createProject(root, files);
      this.log(nextSteps(root, this.env.cwd, templateData(answers)));
    } else await this.#update(changes);
  }

  #show(changes: readonly Change[]): void {
    const diffs = this.#isNew ? [] : changes.filter(({ action }) => DIFFED.has(action)).map(diffOf);
    this.log([...diffs, ...this.#summary(changes)].join('\n'));
  }

  #summary(changes: readonly Change[]): string[] {
    const lines = changeLines(changes);
    return lines.length > 0 ? lines : [`${this.#project.answers.name} is up to date.`];
  }

  async #update(changes: readonly Change[]): Promise<void> {
    const { root, files } = this.#project;
    const { write, remove, open } = await resolve(changes, (change) => this.#choose(change));
    updateProject(root, write, remove, files);
    this.log(this.#summary(changes).join('\n'));
    if (open.length > 0) {
      const beside = open.map((file) => `${file}.new`).join(', ');
      throw new UsageError(`${open.join(', ')}: edited where there is something new, so kept as it is; see ${beside}.`);
    }
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
