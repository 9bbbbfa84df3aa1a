import { homedir } from 'node:os';
import path from 'node:path';
import { type DatabaseId, databases } from '../db/databases/index.ts';
import { finishPending, isPending } from '../shared/apply.ts';
import { UsageError } from '../shared/errors.ts';
import { checkNewRoot, isProject, outerProject, readStored, type Stored } from '../shared/location.ts';
import { nearestName } from '../shared/names.ts';
import { installedVersion } from '../shared/package.ts';
import { type Answers, type KnownAnswers, nameQuestion, type Question } from '../shared/questions.ts';
import { TIERS, type Tiers } from '../shared/tiers.ts';
import { isNewer } from '../shared/versions.ts';
import { completeAnswers, isInteractive, missingAnswer, toPrompt } from './answers.ts';
import { givenAnswers, type Request, subjectOf, tierOf } from './commands.ts';
import { identifierOf } from './data.ts';
import { allQuestions, questionsOf } from './questions.ts';
import type { Terminal } from './terminal.ts';

/** A project as it will be. */
export interface Plan {
  readonly root: string;
  readonly answers: KnownAnswers;
  readonly tiers: Tiers;
  /** What it has stored until now; undefined where it is new. */
  readonly stored: Stored | undefined;
}

/** Finds the project that a command means, or the place for a new one, and asks what no flag has answered. */
export class Planner {
  readonly #request: Request;
  readonly #terminal: Terminal;
  #given: Partial<Answers>;
  #stored: Stored | undefined;

  /** @throws UsageError where an answer that was given is wrong. */
  constructor(request: Request, terminal: Terminal) {
    this.#request = request;
    this.#terminal = terminal;
    this.#given = givenAnswers(request);
  }

  /** @throws UsageError where an answer is missing, or the place cannot be used. */
  async plan(): Promise<Plan> {
    const root = await this.#locate();
    this.#stored = this.#open(root);
    if (this.#stored) this.#checkStored(root, this.#stored);
    else checkNewRoot(root, this.#advice);
    const tiers = this.#tiers();
    const questions = questionsOf(tiers).map((question) => this.#suggest(question, root));
    const answers = completeAnswers(questions, await this.#ask(questions, this.#stored?.answers), this.#given);
    if (this.#stored) checkDatabase(this.#stored.answers, answers);
    return { root, answers, tiers, stored: this.#stored };
  }

  get #isUpdate(): boolean {
    return this.#request.command === 'update';
  }

  /** The project that stands here where the command means it, or else the folder to write. */
  async #locate(): Promise<string> {
    const { cwd } = this.#terminal;
    const { output } = this.#request.flags;
    if (this.#request.command !== 'app') {
      if (this.#isUpdate && !this.#open(cwd)) throw noProject(cwd);
      return cwd;
    }
    if (output !== undefined) return path.resolve(cwd, parseOutput(String(output)));
    const here = isPending(cwd) || isProject(cwd) ? this.#open(cwd) : undefined;
    if (here && (this.#given.name ?? here.answers.name) === here.answers.name) return cwd;
    this.#given = await this.#ask([nameQuestion]);
    if (!this.#given.name) throw missingAnswer(nameQuestion);
    const root = path.resolve(cwd, 'agents', this.#given.name);
    const isAmongAgents = path.basename(cwd) === 'agents' && !isProject(root);
    return isAmongAgents ? path.resolve(cwd, this.#given.name) : root;
  }

  /** Where to go from a folder in which no project can be made. */
  get #advice(): { inside: string; taken: string } {
    if (tierOf(this.#request)) return { inside: 'run the command there', taken: 'run the command in an empty folder' };
    return { inside: 'run the command outside of it, or use --output', taken: 'choose another name or use --output' };
  }

  /** What a project has stored, once the run that was killed in it is finished. */
  #open(root: string): Stored | undefined {
    if (isPending(root)) {
      if (this.#request.flags['dry-run']) {
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
      const advice = tierOf(this.#request) ? 'leave the flag out' : 'choose another --output';
      throw new UsageError(`name: the project in ${root} is called ${name}; ${advice}.`);
    }
    if (version && isNewer(version, installedVersion())) {
      const versions = `version ${version} wrote this project, and ${installedVersion()} is installed`;
      throw new UsageError(`generator-three-tier: ${versions}; install the newest, and run the command again.`);
    }
  }

  /** A tier that is run alone adds itself, an update adds none; `yo three-tier` makes the project whole. */
  #tiers(): Tiers {
    const there = this.#stored?.tiers ?? [];
    if (this.#isUpdate) return new Set(there);
    const tier = tierOf(this.#request);
    return new Set(tier ? [...there, tier] : TIERS);
  }

  /** A tier that is run alone in an empty folder suggests the folder's name, as far as it can be that of an agent. */
  #suggest(question: Question, root: string): Question {
    if (question.key !== 'name' || !tierOf(this.#request) || this.#stored) return question;
    const folder = path.basename(root);
    const name = nearestName(folder);
    const isAsked = !this.#request.flags.yes && isInteractive();
    if (name === folder || isAsked || this.#given.name) return { ...question, default: name };
    throw new UsageError(
      `--name: ${JSON.stringify(folder)} cannot be the agent's name; give one, as in --name ${name}.`,
    );
  }

  /** The flags, then what the project has stored, then what a person answers to the questions that are left. */
  async #ask(questions: readonly Question[], stored: Partial<Answers> = {}): Promise<Partial<Answers>> {
    const known = { ...stored, ...this.#given };
    if (this.#request.flags.yes || this.#isUpdate) return known;
    const open = questions.filter(({ key, asked }) => asked && (known[key] === undefined || this.#isReconsidered(key)));
    if (open.length === 0) return known;
    if (!isInteractive()) throw missingAnswer(open[0] as Question);
    const prompts = open.map((question) => toPrompt(question, stored[question.key] ?? question.default));
    return { ...known, ...((await this.#terminal.prompt(prompts)) as Partial<Answers>) };
  }

  /** A tier that is run alone at a terminal asks again what it is about. */
  #isReconsidered(key: keyof Answers): boolean {
    return isInteractive() && this.#given[key] === undefined && subjectOf(this.#request).includes(key);
  }
}

/** The folder that `--output` names; a shell leaves the `~` in `--output=~/x` as it is. */
function parseOutput(value: string): string {
  if (value === '') throw new UsageError('--output: "" is no folder; give one, or leave the flag out.');
  if (value === '~' || value.startsWith('~/')) return path.join(homedir(), value.slice(1));
  if (!value.startsWith('~')) return value;
  throw new UsageError(`--output: ${JSON.stringify(value)} begins with ~; write the whole path, or ./ before it.`);
}

/**
 * The name of a project's database and its user stands in its `.env`, which no run changes: so it has to do for the
 * new kind of database, too.
 *
 * @throws UsageError where it does not.
 */
function checkDatabase(before: Partial<Answers>, { name, database: id }: KnownAnswers): void {
  if (!before.database || !id || id === before.database) return;
  const identifier = identifierOf(name, databases[before.database as DatabaseId]);
  const { label, reserved } = databases[id as DatabaseId];
  if (!reserved.test(identifier)) return;
  throw new UsageError(
    `--database: ${label} keeps the name "${identifier}" of this project's database for itself; ` +
      `make a new project, called ${name}-agent say, and move the data with ops/export.sh and ops/import.sh.`,
  );
}

function noProject(folder: string): UsageError {
  const outer = outerProject(folder);
  if (outer) return new UsageError(`The project is in ${outer}: run the command there.`);
  return new UsageError('There is no project here: go to its folder, or make one with "yo three-tier <name>".');
}
