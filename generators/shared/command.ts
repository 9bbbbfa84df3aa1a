import { UsageError } from './errors.ts';
import { type Answers, helpLine, nameQuestion, type Question } from './questions.ts';
import { neededFor, type Tier } from './tier.ts';
import { TIERS } from './tiers.ts';

/** What can be typed: `yo three-tier`, `yo three-tier:db` and so on. */
export const COMMANDS = ['app', ...TIERS, 'update'] as const;

export type CommandId = (typeof COMMANDS)[number];

/** A command, from which its flags and its help follow. */
export interface Command {
  readonly id: CommandId;
  /** What it does, where its name does not say it. */
  readonly description?: string;
  /** The one word that it takes, which is the name. */
  readonly argument?: 'name';
  /** Whose answers can be given as flags. */
  readonly questions: readonly Question[];
  /** Other flags that take a value, with their lines of help. */
  readonly others?: Readonly<Record<string, string>>;
}

/** The command that writes one tier. */
export function tierCommand(tier: Tier): Command {
  return { id: tier.id, questions: [nameQuestion, ...neededFor(tier)] };
}

/** Flags without a value, which every command has. */
export const SWITCHES = {
  yes: 'Ask nothing, take the defaults',
  'dry-run': 'Show what would be written, write nothing',
  force: 'Where an edit and something new collide, take the new',
} as const;

export type Switches = Readonly<Record<keyof typeof SWITCHES, boolean>>;

/** A command as it was typed. */
export interface Request {
  readonly words: readonly string[];
  /** The flags that take a value, by their names without the dashes; the empty text where none was given. */
  readonly values: Readonly<Record<string, string>>;
  readonly switches: Switches;
}

/** The flags of a command that take a value, with their lines of help. */
export function valueFlags({ questions, others }: Command): Readonly<Record<string, string>> {
  return { ...Object.fromEntries(questions.map((question) => [question.flag, helpLine(question)])), ...others };
}

/** The flags that a command takes; its argument may be given as one. */
export function flagsOf(command: Command): string[] {
  return [
    ...Object.keys(valueFlags(command)),
    ...(command.argument ? [command.argument] : []),
    ...Object.keys(SWITCHES),
  ];
}

/**
 * What was typed, as far as the command takes it.
 *
 * @param flags - By their names without the dashes; true and false where no value was given.
 * @throws UsageError where a flag has a value that it cannot have.
 */
export function toRequest(
  command: Command,
  words: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Request {
  const given = flagsOf(command).filter((flag) => flags[flag] !== undefined);
  const values = given.filter((flag) => !(flag in SWITCHES)).map((flag) => [flag, toText(flag, flags[flag])]);
  const switches = Object.keys(SWITCHES).map((flag) => [flag, toBoolean(flag, flags[flag])]);
  return { words, values: Object.fromEntries(values), switches: Object.fromEntries(switches) };
}

function toText(flag: string, value: unknown): string {
  if (value === true) return '';
  if (value === false) throw new UsageError(`--no-${flag}: --${flag} takes a value; give one, or leave the flag out.`);
  return String(value);
}

function toBoolean(flag: string, value: unknown = false): boolean {
  if (['true', 'false', ''].includes(String(value))) return String(value) !== 'false';
  throw new UsageError(`--${flag}: ${JSON.stringify(value)} is neither true nor false; use --${flag} or --no-${flag}.`);
}

/** @throws UsageError that names the first flag which the command does not take. */
export function checkFlags(command: Command, flags: readonly string[]): void {
  const known = new Set(flagsOf(command));
  const unknown = flags.find((flag) => !known.has(flag));
  if (unknown !== undefined) throw new UsageError(`--${unknown}: there is no such flag; --help lists them all.`);
}

/** @throws UsageError that names the first word which the command does not take. */
export function checkWords({ argument }: Command, words: readonly string[]): void {
  const spare = words[argument ? 1 : 0];
  if (spare === undefined) return;
  const reason = argument ? 'only one name can be given' : 'this command takes flags only; --help lists them all';
  throw new UsageError(`${JSON.stringify(spare)}: ${reason}.`);
}

/**
 * The answers that were given, validated.
 *
 * @throws UsageError
 */
export function givenAnswers({ argument, questions }: Command, { words, values }: Request): Partial<Answers> {
  const word = argument && words[0] !== undefined ? { [argument]: words[0] } : {};
  const given: Request['values'] = { ...values, ...word };
  const answered = (argument ? [nameQuestion, ...questions] : questions).flatMap(({ key, flag, parse }) => {
    const text = given[flag];
    return text === undefined ? [] : [[key, parse(text)]];
  });
  return Object.fromEntries(answered);
}

/** What `--help` prints. */
export function helpText(command: Command): string {
  const { id, description, argument } = command;
  const usage = `  yo three-tier${id === 'app' ? '' : `:${id}`}${argument ? ` [<${argument}>]` : ''} [options]`;
  const options = Object.entries({ ...valueFlags(command), ...SWITCHES });
  const width = Math.max(...options.map(([flag]) => flag.length));
  return [
    ...['Usage:', usage, ''],
    ...(description ? [description, ''] : []),
    'Options:',
    `  -h, --${'help'.padEnd(width)}  # Print this text`,
    ...options.map(([flag, help]) => `      --${flag.padEnd(width)}  # ${help}`),
    '',
    ...(argument ? ['Arguments:', `  ${argument}  # ${nameQuestion.message}`, ''] : []),
  ].join('\n');
}
