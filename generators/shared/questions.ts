import { UsageError } from './errors.ts';
import { parseName } from './names.ts';

/** What a project is made from; stored in its `.yo-rc.json`. */
export interface Answers {
  name: string;
  database: string;
  logic: string;
  interface: string;
  agentPort: number;
  interfacePort: number;
  /** What it has beside its tiers. */
  with: string;
}

/** The answers of a project that need not have all tiers: those of the tiers that it has, and its name. */
export type KnownAnswers = Partial<Answers> & Pick<Answers, 'name'>;

export type Answer = string | number;

/**
 * A question, declared once: it gives the flag, its line of help, the prompt, the validation and the stored answer.
 */
export interface Question<Key extends keyof Answers = keyof Answers> {
  /** The answer's name in `Answers` and in `.yo-rc.json`. */
  readonly key: Key;
  /** The flag without its dashes. */
  readonly flag: string;
  readonly message: string;
  /** What can be chosen, each with its label; without it the answer is typed. */
  readonly choices?: Readonly<Record<string, { readonly label: string }>>;
  /** The answer under `--yes`; without one it must be given. */
  readonly default?: Answers[Key];
  /** Whether a person at a terminal is asked; if not, the default holds unless the flag is given. */
  readonly asked: boolean;
  /** @throws UsageError that names the option, the value and the fix. */
  readonly parse: (value: string) => Answers[Key];
}

export const nameQuestion: Question<'name'> = {
  key: 'name',
  flag: 'name',
  message: 'What is the agent called?',
  asked: true,
  parse: parseName,
};

/** A question whose answer is the id of a kind in `registry`. */
export function kindQuestion<Key extends 'database' | 'logic' | 'interface'>(
  key: Key,
  message: string,
  registry: Readonly<Record<string, { readonly label: string }>>,
  fallback: string,
): Question<Key> {
  const parse = (value: string) => {
    if (Object.hasOwn(registry, value)) return value;
    throw new UsageError(
      `--${key}: ${JSON.stringify(value)} is not a choice; use one of ${Object.keys(registry).join(', ')}.`,
    );
  };
  return { key, flag: key, message, choices: registry, default: fallback, asked: true, parse } as Question<Key>;
}

/** A question for the TCP port on the host. */
export function portQuestion<Key extends 'agentPort' | 'interfacePort'>(
  key: Key,
  flag: string,
  message: string,
  fallback: number,
): Question<Key> {
  const parse = (value: string) => {
    const port = Number(value);
    if (/^[0-9]{1,5}$/.test(value) && port >= 1 && port <= 65535) return port;
    throw new UsageError(`--${flag}: ${JSON.stringify(value)} is not a port; use a number from 1 to 65535.`);
  };
  return { key, flag, message, default: fallback, asked: false, parse } as Question<Key>;
}

/** The line that `--help` shows. */
export function helpLine({ message, choices, default: fallback }: Question): string {
  const ids = Object.keys(choices ?? {}).join(' | ');
  const facts = [ids, fallback === undefined ? '' : `default: ${fallback}`].filter(Boolean);
  return facts.length > 0 ? `${message} (${facts.join('; ')})` : message;
}
