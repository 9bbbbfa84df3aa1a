import path from 'node:path';
import { finishPending, isPending } from './apply.ts';
import type { Switches } from './command.ts';
import { UsageError } from './errors.ts';
import { extrasQuestion } from './extras.ts';
import type { Host } from './host.ts';
import { type Advice, checkNewRoot, readStored, type Stored, storedAnswers } from './location.ts';
import { nearestName } from './names.ts';
import { installedVersion } from './package.ts';
import { ask, completeAnswers } from './prompts.ts';
import { type Answers, type KnownAnswers, nameQuestion, type Question } from './questions.ts';
import { neededFor, type Tier } from './tier.ts';
import { inOrder, type TierId, type Tiers } from './tiers.ts';
import { isNewer } from './versions.ts';

/** A project as it will be. */
export interface Plan {
  readonly root: string;
  readonly answers: KnownAnswers;
  readonly tiers: Tiers;
  /** What makes its tiers, in their order. */
  readonly parts: readonly Tier[];
  /** What it has stored until now; undefined where it is new. */
  readonly stored: Stored | undefined;
}

/** Where a project is or will be, and what to do where it cannot be there. */
export interface Place {
  readonly root: string;
  readonly advice: Advice;
}

/** A project in the course of a run: the commands that are about it add their tiers, and ask what they need. */
export class Project {
  readonly root: string;
  readonly stored: Stored | undefined;
  readonly host: Host;
  readonly #advice: Advice;
  readonly #tiers = new Map<TierId, Tier>();
  /** What it has stored until now, and what this run was told. */
  #before: Partial<Answers> = {};
  #given: Partial<Answers> = {};

  /** @throws UsageError where the place cannot be used. */
  constructor(host: Host, { root, advice }: Place, isDryRun: boolean) {
    this.host = host;
    this.root = root;
    this.#advice = advice;
    this.stored = openStored(host, root, isDryRun);
    if (!this.stored) {
      checkNewRoot(root, host.read, advice);
      return;
    }
    this.#before = storedAnswers(root, this.stored, [nameQuestion, extrasQuestion]);
    checkVersion(this.stored);
  }

  get #known(): Partial<Answers> {
    return { ...this.#before, ...this.#given };
  }

  /**
   * Takes answers that a command was given.
   *
   * @throws UsageError where the project has another name, or another command of this run was given another answer.
   */
  give(answers: Partial<Answers>): void {
    const { name } = this.#before;
    if (answers.name !== undefined && name !== undefined && answers.name !== name) {
      throw new UsageError(`name: the project in ${this.root} is called ${name}; ${this.#advice.renamed}.`);
    }
    for (const key of Object.keys(answers) as (keyof Answers)[]) {
      const [one, other] = [this.#given[key], answers[key]];
      if (one === undefined || one === other) continue;
      throw new UsageError(`${key}: both ${one} and ${other} are given for ${this.root}; give one of them.`);
    }
    this.#given = { ...this.#given, ...answers };
  }

  /** @throws UsageError where an answer that is stored for the tier is not valid. */
  add(tier: Tier): void {
    this.#tiers.set(tier.id, tier);
    if (this.stored) this.#before = { ...storedAnswers(this.root, this.stored, neededFor(tier)), ...this.#before };
  }

  has(tier: TierId): boolean {
    return this.#tiers.has(tier);
  }

  /** Asks for the name of a new project; that of its folder is suggested, as far as it can be that of an agent. */
  async askName({ yes }: Switches): Promise<void> {
    if (this.#known.name !== undefined) return;
    const folder = path.basename(this.root);
    const name = nearestName(folder);
    if (name !== folder && (yes || !this.host.canAsk)) {
      const advice = `give one, as in --name ${name}`;
      throw new UsageError(`--name: ${JSON.stringify(folder)} cannot be the agent's name; ${advice}.`);
    }
    this.give(yes ? { name } : await ask(this.host, [nameQuestion], { name }));
  }

  /**
   * Asks what a tier needs and nobody has answered yet.
   *
   * @param isReconsidered - Whether a person is asked again what the tier alone asks.
   * @throws UsageError where nobody is there to answer.
   */
  async ask(tier: Tier, { yes }: Switches, isReconsidered: boolean): Promise<void> {
    if (yes) return;
    const again = isReconsidered && this.host.canAsk ? tier.questions : [];
    const isOpen = (question: Question) =>
      this.#given[question.key] === undefined && (this.#before[question.key] === undefined || again.includes(question));
    const open = neededFor(tier).filter((question) => question.asked && isOpen(question));
    this.give(await ask(this.host, open, this.#before));
  }

  /** @throws UsageError where an answer is missing, or two exclude each other. */
  plan(): Plan {
    const { root, stored } = this;
    const tiers = new Set(this.#tiers.keys());
    const parts = inOrder(tiers).map((id) => this.#tiers.get(id) as Tier);
    const questions = new Set([nameQuestion, extrasQuestion, ...parts.flatMap(neededFor)]);
    const answers = completeAnswers([...questions], this.#known);
    for (const { check } of parts) check?.(this.#before, answers, this.#given);
    return { root, stored, tiers, parts, answers };
  }
}

/**
 * What a project has stored, once the run that was killed in it is finished; undefined where there is no project.
 *
 * @throws UsageError where it cannot be read.
 */
export function openStored({ read }: Host, root: string, isDryRun: boolean): Stored | undefined {
  if (isPending(root)) {
    if (isDryRun) {
      throw new UsageError(`A run in ${root} was killed; run the command without --dry-run, which finishes it first.`);
    }
    finishPending(root);
  }
  return readStored(root, read);
}

function checkVersion({ version }: Stored): void {
  if (!version || !isNewer(version, installedVersion())) return;
  const versions = `version ${version} wrote this project, and ${installedVersion()} is installed`;
  throw new UsageError(`generator-three-tier: ${versions}; install the newest, and run the command again.`);
}
