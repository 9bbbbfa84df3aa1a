import { UsageError } from './errors.ts';
import type { Question } from './questions.ts';

/** What a project can have beside its tiers: what `--help` says of it, and the files that come with it. */
export const EXTRAS = {
  swarm: {
    label: 'run it on Docker Swarm',
    files: /^(stack\.yml|ops\/swarm_database\.sh|ops\/operations\/(commands\/)?swarm\.py)$/,
  },
  transfer: {
    label: 'move it to another kind of database',
    files: /^ops\/operations\/(transfer|commands\/(export|import))\.py$/,
  },
} as const;

export type ExtraId = keyof typeof EXTRAS;

const NONE = 'none';
const IDS = Object.keys(EXTRAS) as ExtraId[];

/** Which of them a project has. The answer is their ids with commas between, in the order of the registry, or `none`. */
export const extrasQuestion: Question<'with'> = {
  key: 'with',
  flag: 'with',
  message: `What it has beside, with commas: ${IDS.map((id) => `${id} (${EXTRAS[id].label})`).join(', ')}; or ${NONE}`,
  default: NONE,
  asked: false,
  parse: (value) => {
    const words = value === NONE ? [] : value.split(',');
    const unknown = words.find((word) => !Object.hasOwn(EXTRAS, word));
    if (unknown !== undefined) {
      const choices = [...IDS, NONE].join(', ');
      throw new UsageError(`--with: ${JSON.stringify(unknown)} is not a choice; use one or more of ${choices}.`);
    }
    return IDS.filter((id) => words.includes(id)).join(',') || NONE;
  },
};

/** The extras that an answer to the question names. */
export function extrasIn(answer = NONE): Readonly<Record<ExtraId, boolean>> {
  const words = answer.split(',');
  return Object.fromEntries(IDS.map((id) => [id, words.includes(id)])) as Record<ExtraId, boolean>;
}

/** Whether a project that has these extras has this file. */
export function comesWith(file: string, extras: Readonly<Record<ExtraId, boolean>>): boolean {
  return IDS.every((id) => extras[id] || !EXTRAS[id].files.test(file));
}
