import path from 'node:path';
import { createHelpers } from 'yeoman-test';

export const ROOT = path.join(import.meta.dirname, '../../..');
export const GENERATORS = path.join(import.meta.dirname, '../../generators');
export type Command = (typeof COMMANDS)[number];

const COMMANDS = ['app', 'db', 'agent', 'interface', 'update'] as const;

export interface Outcome {
  readonly exitCode: number;
  /** What was said, the reason of a rejected run last, blank lines left out. */
  readonly lines: string[];
  /** The questions that were asked, by the name of their answer. */
  readonly asked: string[];
}

export interface Person {
  /** What is answered at the prompts. */
  readonly answers?: Record<string, string>;
}

interface Spy {
  readonly mock: { readonly calls: { readonly arguments: unknown[] }[] };
}

/** Runs a command in `cwd` with the words of a command line, the way that `yo` runs it. */
export async function run(
  cwd: string,
  command: Command,
  words: readonly string[] = [],
  { answers = {} }: Person = {},
): Promise<Outcome> {
  const before = process.cwd();
  // By itself, yeoman-test passes --force.
  const context = createHelpers({})
    .create(generatorPath(command), { namespace: `three-tier:${command}` }, { cwd, force: false } as object)
    .cd(cwd)
    .withArguments([...words])
    .withOptions({ force: undefined } as object)
    .withAnswers(answers, { throwOnMissingAnswer: true });
  let reason: Error | undefined;
  try {
    await context.run();
  } catch (error) {
    reason = error as Error;
  } finally {
    process.chdir(before);
  }
  const log = context.env.adapter.log as unknown as Spy;
  const said = log.mock.calls.map((call) => String(call.arguments[0]));
  const lines = [...said, reason?.message ?? ''].flatMap((text) => text.split('\n')).filter((line) => line.trim());
  return { exitCode: reason ? 1 : 0, asked: context.askedQuestions.map(({ name }) => name), lines };
}

function generatorPath(command: string): string {
  return path.join(GENERATORS, command, 'index.js');
}
