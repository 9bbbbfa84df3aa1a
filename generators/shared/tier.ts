import path from 'node:path';
import type { KnownAnswers, Question } from './questions.ts';

/** What every tier has that is written in Python. */
export const PYTHON = path.join(import.meta.dirname, 'python');
/** What every tier has that answers HTTP requests of others. */
export const HTTP = path.join(import.meta.dirname, 'http');

/** What one tier of a project is made from. */
export interface Tier {
  /** What it alone asks. */
  readonly questions: readonly Question[];
  /** Questions of other tiers whose answers it needs too. */
  readonly others?: readonly Question[];
  /** The folders of templates that make it up. */
  readonly folders: (answers: KnownAnswers) => string[];
  /** Those that other tiers have as well, which are laid out as the folder of the tier. */
  readonly shared: (answers: KnownAnswers) => string[];
}
