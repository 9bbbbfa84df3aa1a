import path from 'node:path';
import Generator, { type BaseFeatures, type BaseOptions } from 'yeoman-generator';
import {
  type Command,
  checkFlags,
  checkWords,
  flagsOf,
  givenAnswers,
  helpText,
  type Request,
  SWITCHES,
  toRequest,
  valueFlags,
} from './command.ts';
import type { Manner } from './commit.ts';
import type { Host } from './host.ts';
import type { Project } from './project.ts';
import type { Answers } from './questions.ts';
import { conflicterOptions, Session } from './session.ts';
import type { TierId } from './tiers.ts';

export type Options = BaseOptions & Record<string, unknown>;

/** What a command that composes a tier of this package tells it. */
export interface Part {
  readonly project: Project;
  readonly manner: Manner;
}

/** Options that Yeoman itself passes to, declares for or takes from every generator. */
const YEOMANS: ReadonlySet<string> = new Set([
  ...['_', '_meta', 'env', 'namespace', 'resolved', 'shared-data', 'forward-error-to-environment', 'help', 'h'],
  ...['skip-cache', 'skip-local-cache', 'skip-install', 'force-install', 'ask-answered', 'node-package-manager'],
  ...['bail', 'skip-yo-resolve', 'ignore-whitespace', 'log-cwd', 'destination-root', 'local-config-only', 'local-only'],
  ...['skip-parse-options', 'skip-check-env', 'ignore-version-check', 'debug', 'color', 'insight'],
]);

/** Before anybody's `writing`, so that every generator of a run can change what is rendered. */
const RENDERING = { priorityName: 'rendering', queueName: 'three-tier#rendering', before: 'writing' };

/** A command as Yeoman runs it: typed after `yo`, or composed by another generator. */
export abstract class ThreeTierCommand extends Generator<never, Options, BaseFeatures> {
  readonly command: Command;

  constructor(args: string[], options: Options, command: Command) {
    takeValues(options, [...Object.keys(valueFlags(command)), command.argument ?? []].flat());
    super([...args, ...wordsIn(options)], options, { inheritTasks: true, customPriorities: [RENDERING] });
    this.command = command;
    if (command.argument) this.argument(command.argument, { type: String, required: false });
    for (const flag of Object.keys(valueFlags(command))) this.option(flag, { type: String });
    for (const flag of Object.keys(SWITCHES)) this.option(flag, { type: Boolean });
  }

  override help(): string {
    return helpText(this.command);
  }

  /** Yeoman would look into a package.json for it, and then say that there is nothing to install. */
  override determineAppname(): string {
    return path.basename(this.destinationRoot());
  }

  /**
   * Yeoman reads the `.yo-rc.json` of the folder before anything else, and ends with a stack where it cannot. Nothing
   * here asks Yeoman for it: the steps of a run read the project's own, and say what is wrong with that.
   */
  override _getStorage(...args: Parameters<Generator['_getStorage']>): ReturnType<Generator['_getStorage']> {
    try {
      return super._getStorage(...args);
    } catch {
      return this.createStorage('.yo-rc.json.unread', { name: this.rootGeneratorName() });
    }
  }

  /** A wrong answer is for the generator that composes this one, which hears of it where it does so. */
  _postConstruct(): void {
    if (this.env.rootGenerator()) this.given();
  }

  initializing(): Promise<void> {
    return this.step(() => {
      if (this.#isRoot) checkFlags(this.command, this.#unknownFlags());
      checkWords(this.command, this.#words);
      this.given();
    });
  }

  get #isRoot(): boolean {
    return this.env.rootGenerator() === (this as object);
  }

  protected get session(): Session {
    return Session.of(this);
  }

  protected step(work: () => unknown): Promise<void> {
    return this.session.step(work);
  }

  /** What was typed, or passed by the generator that composes this one. */
  protected get request(): Request {
    const flags = flagsOf(this.command).map((flag) => [flag, this.#flag(flag)]);
    return toRequest(this.command, this.#words, Object.fromEntries(flags));
  }

  get #words(): string[] {
    return this.args.map(asTyped);
  }

  /** @throws UsageError where an answer that was given is wrong. */
  protected given(): Partial<Answers> {
    return givenAnswers(this.command, this.request);
  }

  protected get manner(): Manner {
    const { switches } = this.request;
    const { bail, ...others } = conflicterOptions(this.env);
    const typed = this.session.isOurs ? { force: false, dryRun: false } : others; // ours are read as they were typed
    return {
      yes: switches.yes,
      force: switches.force || typed.force,
      'dry-run': switches['dry-run'] || typed.dryRun,
      bail,
      isUpdate: false,
    };
  }

  protected get host(): Host {
    const { adapter, cwd } = this.env;
    const terminal = terminalOf(adapter);
    return {
      folder: this.destinationRoot(),
      cwd,
      canAsk: !terminal || Boolean(terminal.stdin.isTTY && terminal.stdout.isTTY),
      log: (text) => this.log(text),
      print: (text) => (terminal ? terminal.console.log(text) : this.log(text)),
      prompt: (prompts) => this.prompt([...prompts]),
      read: (file) => this.session.read(file),
    };
  }

  /** Composes a tier of the same copy of this package, whatever else is installed under its name. */
  protected async composeTier(tier: TierId, part: Part): Promise<void> {
    const file = path.join(import.meta.dirname, '..', tier, 'index.js');
    await this.composeWith(file, { part } as never, true);
  }

  /** As it was passed: Yeoman makes a text of a flag without a value, and a truth of the text "false". */
  #flag(flag: string): unknown {
    const names = [flag, camelCase(flag)];
    const passed = names.map((name) => this._initOptions[name]).find((value) => value !== undefined);
    return passed ?? names.map((name) => this.options[name]).find((value) => value !== undefined);
  }

  #unknownFlags(): string[] {
    const given = Object.keys(this.options).filter((option) => this.options[option] !== undefined);
    return given.map(kebabCase).filter((flag) => !YEOMANS.has(flag) && !flagsOf(this.command).includes(flag));
  }
}

interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly console: Console;
}

/** The terminal behind an adapter; adapters of tests and of editors have none. */
function terminalOf(adapter: object): Terminal | undefined {
  const { actualAdapter = adapter } = adapter as { actualAdapter?: object };
  return 'stdin' in actualAdapter ? (actualAdapter as Terminal) : undefined;
}

/** `yo` cannot know that a flag takes a value: without one it is true, and given several times it is a list. */
function takeValues(options: Options, flags: readonly string[]): void {
  for (const flag of flags.flatMap((name) => [name, camelCase(name)])) {
    if (options[flag] === undefined) continue;
    const value = [options[flag]].flat().at(-1);
    options[flag] = value === true ? '' : asTyped(value);
  }
}

/** `yo` cannot know that a flag takes no value, and reads the word after it as one: `--yes lyco`. */
function wordsIn(options: Options): string[] {
  return Object.keys(SWITCHES).flatMap((flag) => {
    const names = [flag, camelCase(flag)];
    const given = [names.map((name) => options[name]).find((value) => value !== undefined) ?? []].flat();
    const isWord = (value: unknown) =>
      typeof value === 'string' && !['true', 'false'].includes(value) && !process.argv.includes(`--${flag}=${value}`);
    const values = given.map(asTyped);
    if (given.length > 0) for (const name of names) options[name] = isWord(values.at(-1)) ? true : values.at(-1);
    return values.filter(isWord) as string[];
  });
}

/** `yo` takes a word that reads as a number for one: `1e3` for 1000, `0x10` for 16. */
function asTyped<Value>(value: Value): Value | string {
  if (typeof value !== 'number') return value;
  const words = process.argv.map((word) => word.replace(/^--[^=]*=/, ''));
  return words.find((word) => word !== '' && Number(word) === value) ?? String(value);
}

function kebabCase(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
