import path from 'node:path';
import Generator from 'yeoman-generator';
import { createHelpers } from 'yeoman-test';
import { GENERATORS, ROOT } from './generate.ts';

type Context = ReturnType<ReturnType<typeof createHelpers>['create']>;
export type Step = (generator: Generator) => unknown;

/** yeoman-test works in the folder of its run, and leaves the process there. */
afterEach(() => process.chdir(ROOT));

/** The steps of a generator of another package, by the priorities of Yeoman. */
export type Steps = Partial<
  Record<'initializing' | 'prompting' | 'configuring' | 'writing' | 'conflicts' | 'end', Step>
>;

/** A generator of another package that takes these steps. */
function foreignGenerator(steps: Steps): object {
  class Foreign extends Generator {}
  for (const [priority, step] of Object.entries(steps)) {
    Object.defineProperty(Foreign.prototype, priority, {
      value(this: Generator) {
        return step(this);
      },
      enumerable: true,
    });
  }
  return Foreign;
}

/** Composes a command of this package in a step. */
export function compose(generator: Generator, command: string, options: object, ...words: string[]): Promise<unknown> {
  return generator.composeWith(`three-tier:${command}`, words, options as never);
}

/** A run of a generator of another package in `cwd`, beside which this one is installed; yeoman-test goes on from there. */
export function foreign(cwd: string, steps: Steps, options: object = {}): Context {
  const names = ['app', 'db', 'agent', 'interface', 'update'];
  return createHelpers({})
    .create(
      foreignGenerator(steps) as never,
      { namespace: 'acme:app', resolved: path.join(cwd, 'generator-acme/generators/app/index.js') } as never,
      { cwd, force: undefined } as never,
    )
    .cd(cwd)
    .withOptions({ force: undefined, ...options } as object)
    .withGenerators(
      names.map((name) => [path.join(GENERATORS, name, 'index.js'), { namespace: `three-tier:${name}` }]),
    );
}
