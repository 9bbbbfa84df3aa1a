import type { KnownAnswers, Question } from './questions.ts';

/** What one tier of a project is made from. */
export interface Tier {
  /** What it alone asks. */
  readonly questions: readonly Question[];
  /** Questions of other tiers whose answers it needs too. */
  readonly others?: readonly Question[];
  /** The folders of templates that make it up. */
  readonly folders: (answers: KnownAnswers) => string[];
}
