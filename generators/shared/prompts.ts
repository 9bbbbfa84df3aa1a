import { UsageError } from './errors.ts';
import type { Host } from './host.ts';
import type { Answer, Answers, KnownAnswers, Question } from './questions.ts';

interface PromptBase {
  readonly name: string;
  readonly message: string;
  readonly default?: string;
}

/** A question as Inquirer takes it. */
export type Prompt =
  | (PromptBase & { readonly type: 'input'; readonly validate: (value: string) => true | string })
  | (PromptBase & { readonly type: 'select'; readonly choices: { name: string; value: string }[] });

/**
 * Asks a person.
 *
 * @param suggestions - Answers to suggest in place of the defaults.
 * @throws UsageError where nobody is there to answer, or an answer is not valid: not every host checks that.
 */
export async function ask(
  host: Host,
  questions: readonly Question[],
  suggestions: Partial<Answers> = {},
): Promise<Partial<Answers>> {
  const [first] = questions;
  if (!first) return {};
  if (!host.canAsk) throw missingAnswer(first);
  const prompts = questions.map((question) => toPrompt(question, suggestions[question.key] ?? question.default));
  const answers = await host.prompt(prompts);
  return Object.fromEntries(questions.map(({ key, parse }) => [key, parse(String(answers[key]))]));
}

/** The question as a prompt that suggests `suggestion`. */
function toPrompt({ key, message, choices, parse }: Question, suggestion: Answer | undefined): Prompt {
  const prompt = { name: key, message, ...(suggestion === undefined ? {} : { default: String(suggestion) }) };
  if (!choices) return { ...prompt, type: 'input', validate: (value) => reasonAgainst(parse, value) };
  const options = Object.entries(choices).map(([value, { label }]) => ({ name: label, value }));
  return { ...prompt, type: 'select', choices: options };
}

/** What becomes of a file that the user edited where there is something new. */
export function conflictPrompt(file: string): Prompt {
  const choices = [
    { name: 'keep mine', value: 'keep' },
    { name: 'take the new one', value: 'take' },
    { name: 'write both, with conflict markers', value: 'merge' },
    { name: 'show the difference', value: 'diff' },
  ];
  return {
    type: 'select',
    name: 'choice',
    message: `${file} was edited, and there is a new version.`,
    choices,
  };
}

/**
 * Fills what nobody was asked with the defaults.
 *
 * @throws UsageError where an answer without a default is missing.
 */
export function completeAnswers(questions: readonly Question[], known: Partial<Answers>): KnownAnswers {
  const missing = questions.find((question) => (known[question.key] ?? question.default) === undefined);
  if (missing) throw missingAnswer(missing);
  const entries = questions.map(({ key, default: fallback }) => [key, known[key] ?? fallback]);
  return Object.fromEntries(entries);
}

/** What to say where an answer is missing and nobody is there to give it. */
export function missingAnswer({ key, flag, choices, default: fallback }: Question): UsageError {
  if (key === 'name' && fallback === undefined) {
    return new UsageError('name: give the agent a name, as in "yo three-tier lyco".');
  }
  if (!choices) return new UsageError(`--${flag}: not given, and there is no terminal to ask; give it, or use --yes.`);
  const ids = Object.keys(choices).join(', ');
  return new UsageError(`--${flag}: not given, and there is no terminal to ask; use one of ${ids}, or --yes.`);
}

function reasonAgainst(parse: (value: string) => unknown, value: string): true | string {
  try {
    parse(value);
    return true;
  } catch (error) {
    return (error as Error).message;
  }
}
