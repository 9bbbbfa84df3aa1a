import type { Prompt } from './prompts.ts';

/** Where a command runs and whom it talks to: Yeoman, or this package's own bin. */
export interface Host {
  /** The folder that the command is about. */
  readonly folder: string;
  /** The folder in which the command was typed, from which paths are shown. */
  readonly cwd: string;
  /** Whether there is somebody who answers questions. */
  readonly canAsk: boolean;
  /** Tells the person a text and the end of its line. */
  log(text: string): void;
  /** Prints what was asked for, so that it can be piped. */
  print(text: string): void;
  /** Asks the person; the answers by the names of the prompts. */
  prompt(prompts: readonly Prompt[]): Promise<Readonly<Record<string, unknown>>>;
  /** The text of a file, or undefined where there is none; what another generator of the run has written counts. */
  read(file: string): string | undefined;
}
