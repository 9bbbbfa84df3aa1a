import path from 'node:path';
import { createHelpers } from 'yeoman-test';

export const ROOT = path.join(import.meta.dirname, '../../..');
const GENERATORS = path.join(import.meta.dirname, '../../generators');
export type Command = (typeof COMMANDS)[number];

const COMMANDS = ['app', 'db', 'agent', 'interface', 'update'] as const;

export interface Outcome {
  readonly exitCode: number;
  /** What was said, blank lines left out. */
  readonly lines: string[];
  /** The questions that were asked, by the name of their answer. */
  readonly asked: string[];
}

export interface Person {
  /** What is answered at the prompts; without it there is no terminal. */
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
  { answers }: Person = {},
): Promise<Outcome> {
  const asked: string[] = [];
  const before = process.cwd();
  setTerminal(answers !== undefined);
  try {
    const { env } = await createHelpers({})
      .create(generatorPath(command), { namespace: `three-tier:${command}` }, { cwd })
      .cd(cwd)
      .withArguments([...words])
      .withOptions({ force: undefined } as object) // yeoman-test passes --force by itself
      .withAnswers(answers ?? {}, {
        throwOnMissingAnswer: true,
        callback: (answer, { question }) => {
          asked.push(question.name);
          return answer;
        },
      })
      .withGenerators(COMMANDS.map((name) => [generatorPath(name), { namespace: `three-tier:${name}` }]))
      .run();
    const log = env.adapter.log as unknown as Spy & { error: Spy };
    const said = [...log.mock.calls, ...log.error.mock.calls].map((call) => String(call.arguments[0]));
    const lines = said.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
    return { exitCode: Number(process.exitCode ?? 0), asked, lines };
  } finally {
    process.exitCode = undefined;
    process.chdir(before);
    setTerminal(false);
  }
}

function generatorPath(command: string): string {
  return path.join(GENERATORS, command, 'index.js');
}

function setTerminal(isTTY: boolean): void {
  for (const stream of [process.stdin, process.stdout]) {
    Object.defineProperty(stream, 'isTTY', { value: isTTY, configurable: true, writable: true });
  }
}
