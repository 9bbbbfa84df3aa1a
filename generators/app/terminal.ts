import type { Prompt } from './answers.ts';

/** Where a run takes place and whom it talks to: Yeoman, or this package's own command. */
export interface Terminal {
  /** The folder in which the command was typed. */
  readonly cwd: string;
  /** Shows a text and the end of its line. */
  log(text: string): void;
  /** Asks a person; the answers by the names of the prompts. */
  prompt(prompts: readonly Prompt[]): Promise<Readonly<Record<string, string>>>;
}
