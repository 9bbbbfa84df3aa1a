import path from 'node:path';
import { compareProject, createProject, finishPending, updateProject } from '../shared/apply.ts';
import { readBaseline } from '../shared/baseline.ts';
import { Command, type CommandOptions } from '../shared/command.ts';
import { UsageError } from '../shared/errors.ts';
import { CONFIG, checkNewRoot, readStored, storedAnswers } from '../shared/location.ts';
import { renderOverlay } from '../shared/overlay.ts';
import { openProject, type Project } from '../shared/project.ts';
import { type Answers, nameQuestion, type Question } from '../shared/questions.ts';
import { completeAnswers, isInteractive, missingAnswer, toPrompt } from './answers.ts';
import { templateData } from './data.ts';
import { allQuestions, tierQuestions } from './questions.ts';
import { changeLines, nextSteps } from './report.ts';

const TIERS = ['db', 'agent', 'interface'];

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

  #commit(): void {
    const { root, files, answers } = this.#project;
    const { 'dry-run': dryRun, force } = this.options;
    files.sort((a, b) => (a.path < b.path ? -1 : 1));
    if (!dryRun) finishPending(root);
    const changes = compareProject(root, files, readBaseline(root));
    const summary = changeLines(changes).join('\n') || `${answers.name} is up to date.`;
    if (dryRun) {
      this.log(summary);
      return;
    }
    if (changes.edited.length > 0 && !force) throw editedError(changes.edited);
    if (this.#isNew) createProject(root, files);
    else updateProject(root, files, changes);
    this.log(this.#isNew ? nextSteps(root, this.env.cwd, templateData(answers)) : summary);
  }
}

function editedError(files: readonly string[]): UsageError {
  const some = files.slice(0, 3).join(', ') + (files.length > 3 ? ` and ${files.length - 3} more` : '');
  return new UsageError(`${some}: edited since generated, so nothing was written; --force overwrites the edits.`);
}
