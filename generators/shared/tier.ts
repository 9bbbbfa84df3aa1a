import path from 'node:path';
import type { Facts, TemplateData } from './data.ts';
import { type ProjectFile, renderOverlay } from './overlay.ts';
import type { Answers, KnownAnswers, Question } from './questions.ts';
import { hasFile, type TierId, type Tiers } from './tiers.ts';

/** The Python package that is the machinery of the tiers in Python, and what a project calls it. */
const RUNTIME = path.join(import.meta.dirname, '../../runtime/src/three_tier');
const PACKAGE = 'three_tier';

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
  /** The parts of the runtime that it is made of, as the folders of the package are called: `common/http`. */
  readonly runtime: (answers: KnownAnswers) => string[];
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
    ...renderRuntime(tier.id, new Set(tier.runtime(answers)), data),
  ];
}

function renderRuntime(tier: TierId, parts: ReadonlySet<string>, data: TemplateData): ProjectFile[] {
  if (parts.size === 0) return [];
  const target = `${tier}/${PACKAGE}`;
  return renderOverlay(RUNTIME, data, (file) => parts.has(partOf(file.slice(target.length + 1))), target);
}

/** The part that a file of the runtime belongs to: a folder in it, or a folder in such a one with all that it holds. */
function partOf(file: string): string {
  return file.split('/').slice(0, -1).slice(0, 2).join('/');
}
