import { UsageError } from '../shared/errors.ts';
import { type Answers, helpLine, nameQuestion, type Question } from '../shared/questions.ts';
import { TIERS, type TierId } from '../shared/tiers.ts';
import { neededFor, tierQuestions, tiers } from './questions.ts';

/** What can be typed: `yo three-tier`, `yo three-tier:db` and so on. */
export const COMMANDS = ['app', ...TIERS, 'update'] as const;

export type CommandId = (typeof COMMANDS)[number];

/** A command, from which its flags and its help follow. */
export interface Command {
  /** What it does, where its name does not say it. */
  readonly description?: string;
  /** The one word that it takes, which is the name. */
  readonly argument?: 'name';
  /** Whose answers can be given as flags. */
  readonly questions: readonly Question[];
  /** Other flags that take a value, with their lines of help. */
  readonly others?: Readonly<Record<string, string>>;
}

/** Flags without a value, which every command has. */
export const SWITCHES = {
  yes: 'Ask nothing, take the defaults',
  'dry-run': 'Show what would be written, write nothing',
  force: 'Where an edit and something new collide, take the new',
} as const;

const TIER_COMMANDS = TIERS.map((tier) => [tier, { questions: [nameQuestion, ...neededFor(tier)] }]);

export const commands: Readonly<Record<CommandId, Command>> = {
  app: {
    description: 'Writes an AI agent as three services: interface, agent and database.',
    argument: 'name',
    questions: tierQuestions,
    others: { output: 'Folder to write (default: agents/<name>; inside a folder called agents, <name>)' },
  },
  ...(Object.fromEntries(TIER_COMMANDS) as Record<TierId, Command>),
  update: {
    description: 'Brings the project in this folder to the installed version, and keeps your edits.',
    questions: [],
  },
};

/** A command as it was typed. */
export interface Request {
  readonly command: CommandId;
  readonly words: readonly string[];
  /** By their names without the dashes; one that takes a value has the empty text where none was given. */
  readonly flags: Readonly<Record<string, string | boolean>>;
}

/** The tier that a command is about, if it is about one alone. */
export function tierOf({ command }: Request): TierId | undefined {
  return TIERS.find((tier) => tier === command);
}

/** The answers that a command is about; those of its tier. */
export function subjectOf(request: Request): readonly (keyof Answers)[] {
  const tier = tierOf(request);
  return tier ? tiers[tier].questions.map(({ key }) => key) : [];
}

/** The flags of a command that take a value, with their lines of help. */
export function valueFlags(command: CommandId): Readonly<Record<string, string>> {
  const { questions, others } = commands[command];
  return { ...Object.fromEntries(questions.map((question) => [question.flag, helpLine(question)])), ...others };
}

/** @throws UsageError that names the first flag or word that the command does not take. */
export function checkRequest({ command, words, flags }: Request): void {
  const { argument } = commands[command];
  const known = new Set([...Object.keys(valueFlags(command)), ...Object.keys(SWITCHES), argument]);
  const unknown = Object.keys(flags).find((flag) => !known.has(flag));
  if (unknown !== undefined) throw new UsageError(`--${unknown}: there is no such flag; --help lists them all.`);
  const spare = words[argument ? 1 : 0];
  if (spare === undefined) return;
  const reason = argument ? 'only one name can be given' : 'this command takes flags only; --help lists them all';
  throw new UsageError(`${JSON.stringify(spare)}: ${reason}.`);
}

/** The answers that were given, validated. */
export function givenAnswers({ command, words, flags }: Request): Partial<Answers> {
  const { argument, questions } = commands[command];
  const word = argument && words[0] !== undefined ? { [argument]: words[0] } : {};
  const given: Request['flags'] = { ...flags, ...word };
  const found = [...(argument ? [nameQuestion] : []), ...questions].filter(({ flag }) => given[flag] !== undefined);
  return Object.fromEntries(found.map(({ key, flag, parse }) => [key, parse(String(given[flag]))]));
}

/** What `--help` prints. */
export function helpText(command: CommandId): string {
  const { description, argument } = commands[command];
  const usage = `  yo three-tier${command === 'app' ? '' : `:${command}`}${argument ? ` [<${argument}>]` : ''} [options]`;
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
