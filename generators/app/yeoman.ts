import Generator, { type BaseFeatures, type BaseOptions } from 'yeoman-generator';
import { UsageError } from '../shared/errors.ts';
import type { ProjectFile } from '../shared/overlay.ts';
import { type CommandId, checkRequest, commands, helpText, type Request, SWITCHES, valueFlags } from './commands.ts';
import { Committer } from './commit.ts';
import { type Plan, Planner } from './plan.ts';
import { renderProject } from './render.ts';
import type { Terminal } from './terminal.ts';

export type Options = BaseOptions & Record<string, unknown>;

/** Options that Yeoman itself passes to or declares for every generator. */
const YEOMANS: ReadonlySet<string> = new Set([
  ...['_', '_meta', 'namespace', 'resolved', 'shared-data', 'forward-error-to-environment', 'help', 'h'],
  ...['skip-cache', 'skip-local-cache', 'skip-install', 'force-install', 'ask-answered', 'local-config-only'],
  ...['local-only', 'color', 'insight'],
]);

/** A command as Yeoman runs it. */
export abstract class YeomanCommand extends Generator<never, Options, BaseFeatures> {
  readonly #command: CommandId;
  #plan!: Plan;
  #files!: ProjectFile[];
  #hasFailed = false;

  constructor(args: string[], options: Options, command: CommandId) {
    takeValues(options, Object.keys(valueFlags(command)));
    super(giveBackWords(args, options), options, { unique: 'namespace', inheritTasks: true });
    this.#command = command;
    const { argument } = commands[command];
    if (argument) this.argument(argument, { type: String, required: false });
    for (const flag of Object.keys(valueFlags(command))) this.option(flag, { type: String });
    for (const flag of Object.keys(SWITCHES)) this.option(flag, { type: Boolean });
    this.setFeatures({ customCommitTask: () => this.#guard(() => this.#commit()), customInstallTask: true });
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

  override help(): string {
    return helpText(this.#command);
  }

  initializing(): Promise<void> {
    return this.#guard(() => checkRequest(this.#request));
  }

  prompting(): Promise<void> {
    return this.#guard(async () => {
      this.#plan = await new Planner(this.#request, this.#terminal).plan();
    });
  }

  writing(): Promise<void> {
    return this.#guard(() => {
      this.#files = renderProject(this.#plan);
    });
  }

  #commit(): Promise<void> {
    return new Committer(this.#request, this.#terminal, this.#plan).commit(this.#files);
  }

  get #request(): Request {
    const given = Object.entries(this.options).map(([option, value]) => [kebabCase(option), value] as const);
    const flags = given.filter(([flag, value]) => value !== undefined && !YEOMANS.has(flag));
    return { command: this.#command, words: this.args, flags: Object.fromEntries(flags) as Request['flags'] };
  }

  get #terminal(): Terminal {
    return {
      cwd: this.env.cwd,
      log: (text) => this.log(text),
      prompt: (prompts) => this.prompt([...prompts]),
    };
  }

  /** Ends a run on a UsageError with its one line and exit code 1; Yeoman would print three and a stack. */
  async #guard(step: () => unknown): Promise<void> {
    if (this.#hasFailed) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.env.adapter.log.error(error.message);
      this.#hasFailed = true;
      process.exitCode = 1;
    }
  }
}

/** `yo` cannot know that a flag takes a value: without one it is true, and given several times it is a list. */
function takeValues(options: Options, flags: readonly string[]): void {
  for (const flag of flags.flatMap((name) => [name, camelCase(name)])) {
    const value = options[flag];
    if (value === true) options[flag] = '';
    if (Array.isArray(value)) options[flag] = value.at(-1) === true ? '' : value.at(-1);
  }
}

/** `yo` cannot know that a flag takes no value, and reads the word after it as one: `--yes lyco`. */
function giveBackWords(args: string[], options: Options): string[] {
  const words: string[] = [];
  for (const flag of Object.keys(SWITCHES)) {
    const value = options[flag];
    if (typeof value !== 'string') continue;
    words.push(value);
    options[flag] = true;
    options[camelCase(flag)] = true;
  }
  return [...args, ...words];
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

function kebabCase(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
