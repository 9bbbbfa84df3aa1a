import path from 'node:path';
import type { Facts, TemplateData } from './data.ts';
import { type ProjectFile, renderOverlay } from './overlay.ts';
import type { Answers, KnownAnswers, Question } from './questions.ts';
import { hasFile, type TierId, type Tiers } from './tiers.ts';

/** What every tier has that is written in Python. */
export const PYTHON = path.join(import.meta.dirname, 'python');
/** What every tier has that answers HTTP requests of others. */
export const HTTP = path.join(import.meta.dirname, 'http');

/** What one tier of a project is made from. */
export interface Tier {
  readonly id: TierId;
  /** What it alone asks. */
  readonly questions: readonly Question[];
  /** Questions of other tiers whose answers it needs too. */
  readonly others?: readonly Question[];
  /** @throws UsageError where a project cannot have these answers, of which some were `given`, after those of `before`. */
  readonly check?: (before: Partial<Answers>, answers: KnownAnswers, given: Partial<Answers>) => void;
  /** What all templates see of it. */
  readonly facts: (answers: KnownAnswers) => Facts;
  /** The folders of templates that make it up, laid out as the project. */
  readonly folders: (answers: KnownAnswers) => string[];
  /** Those that belong to other tiers too, laid out as the folder of this tier. */
  readonly shared: (answers: KnownAnswers) => string[];
}

/** The questions whose answers make a tier. */
export function neededFor({ questions, others = [] }: Tier): readonly Question[] {
  return [...others, ...questions];
}

/** The files of one tier in a project that has `tiers`. */
export function renderTier(tier: Tier, answers: KnownAnswers, tiers: Tiers, data: TemplateData): ProjectFile[] {
  const isWanted = (file: string) => hasFile(file, tier.id, tiers);
  return [
    ...tier.folders(answers).flatMap((folder) => renderOverlay(folder, data, isWanted)),
    ...tier.shared(answers).flatMap((folder) => renderOverlay(folder, data, isWanted, tier.id)),
  ];
}
