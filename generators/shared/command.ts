import Generator, { type BaseFeatures, type BaseOptions, type Task } from 'yeoman-generator';
import { UsageError } from './errors.ts';
import { type Answers, helpLine, type Question } from './questions.ts';

export type CommandOptions = BaseOptions & Record<string, unknown>;

export const FLAGS = {
  yes: 'Ask nothing, take the defaults',
  'dry-run': 'Show what would be written, write nothing',
  force: 'Where an edit and something new collide, take the new',
} as const;

/** Options that Yeoman itself passes to or declares for every generator. */
const YEOMAN_FLAGS = ['help', 'skip-cache', 'skip-install', 'force-install', 'ask-answered'];
const YEOMAN_OPTIONS = [
  ...['namespace', 'resolved', '_meta', 'shared-data', 'forward-error-to-environment', '_'],
  ...['skip-local-cache', 'local-config-only', 'local-only', 'color', 'insight'],
];

/** The runs that ended with a UsageError; what is left of them is skipped. */
const failed = new WeakSet<object>();

/** What `app` and the tiers share as commands: their flags, and the refusal of any other. */
export class Command<Options extends CommandOptions = CommandOptions> extends Generator<never, Options, BaseFeatures> {
  constructor(args: string[], options: Options, questions: readonly Question[]) {
    super(giveBackWords(args, options), options, { unique: 'namespace', inheritTasks: true });
    for (const flag of YEOMAN_FLAGS.slice(1)) this.hide(flag);
    for (const question of questions) {
      this.option(question.flag, { type: String, description: helpLine(question) });
    }
    for (const [flag, description] of Object.entries(FLAGS)) this.option(flag, { type: Boolean, description });
  }

  /** Ends a run on a UsageError with its one line and exit code 1; Yeoman would print three and a stack. */
  override async executeTask(task: Task, ...rest: unknown[]): Promise<void> {
    const method = (...args: unknown[]) => this.guard(() => task.method.apply(this, args));
    await super.executeTask({ ...task, method }, ...(rest as []));
  }

  protected async guard(step: () => unknown): Promise<void> {
    if (failed.has(this.env)) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.env.adapter.log.error(error.message);
      failed.add(this.env);
      process.exitCode = 1;
    }
  }

  /** The answers given as flags, validated. */
  protected given(questions: readonly Question[]): Partial<Answers> {
    const found = questions.filter(({ flag }) => this.options[flag] !== undefined);
    return Object.fromEntries(found.map(({ key, flag, parse }) => [key, parse(String(this.options[flag]))]));
  }

  /** The flags of this run that are meant for `app`. */
  protected get flags(): Record<string, unknown> {
    const declared = Object.keys(this.declared).filter((flag) => !YEOMAN_FLAGS.includes(flag));
    return Object.fromEntries(declared.map((flag) => [flag, this.options[flag]]));
  }

  /** @throws UsageError that names the first flag that is none of this command's. */
  protected refuseUnknownFlags(internal: readonly string[] = []): void {
    const known = new Set([...Object.keys(this.declared), ...YEOMAN_OPTIONS, ...internal, 'h']);
    const unknown = Object.keys(this.options).find((option) => !known.has(kebabCase(option)));
    if (unknown === undefined) return;
    throw new UsageError(`--${kebabCase(unknown)}: there is no such flag; --help lists them all.`);
  }

  private get declared(): Record<string, { hide?: boolean }> {
    return (this as unknown as { _options: Record<string, { hide?: boolean }> })._options;
  }

  private hide(flag: string): void {
    const option = this.declared[flag];
    if (option) option.hide = true;
  }
}

/** `yo` cannot know that a flag takes no value, and reads the word after it as one: `--yes lyco`. */
function giveBackWords(args: string[], options: CommandOptions): string[] {
  const words: string[] = [];
  for (const flag of Object.keys(FLAGS)) {
    const value = options[flag];
    if (typeof value !== 'string') continue;
    words.push(value);
    options[flag] = true;
    options[flag.replace(/-(.)/g, (_, letter) => letter.toUpperCase())] = true;
  }
  return [...args, ...words];
}

function kebabCase(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
