import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BASELINE } from './baseline.ts';
import { UsageError } from './errors.ts';
import type { Answers, KnownAnswers, Question } from './questions.ts';
import { inOrder, isTier, TIERS, type Tiers } from './tiers.ts';

/** The file in which a project keeps its answers, under the package's name as Yeoman has it. */
export const CONFIG = '.yo-rc.json';
const PACKAGE = 'generator-three-tier';

/** What an empty folder may hold: a fresh repository, and what a run that was killed had begun. */
const IGNORED: ReadonlySet<string> = new Set(['.git', path.dirname(BASELINE)]);

/** What a project keeps in that file. */
export interface Stored {
  readonly answers: Partial<Answers>;
  readonly tiers: Tiers;
  /** That of this package which wrote the project last; undefined where it was one that did not note it. */
  readonly version: string | undefined;
}

/**
 * What the project in `folder` has stored, or undefined where it is no project of ours.
 *
 * @throws UsageError where it cannot be read, or does not answer `questions`.
 */
export function readStored(folder: string, questions: readonly Question[]): Stored | undefined {
  const stored = readConfig(folder)?.[PACKAGE] as Record<string, unknown> | undefined;
  if (!stored) return undefined;
  const { version } = stored;
  return { ...parseStored(folder, stored, questions), version: typeof version === 'string' ? version : undefined };
}

function parseStored(folder: string, stored: Record<string, unknown>, questions: readonly Question[]) {
  const known = questions.filter(({ key }) => stored[key] !== undefined);
  try {
    const answers = Object.fromEntries(known.map(({ key, parse }) => [key, parse(String(stored[key]))]));
    return { answers, tiers: parseTiers(stored.tiers ?? TIERS) };
  } catch (error) {
    throw new UsageError(`${path.join(folder, CONFIG)}: ${(error as Error).message}`);
  }
}

function parseTiers(value: unknown): Tiers {
  if (Array.isArray(value) && value.length > 0 && value.every(isTier)) return new Set(value);
  throw new UsageError(`tiers: ${JSON.stringify(value)} is not a list of tiers; use ${TIERS.join(', ')}.`);
}

function readConfig(folder: string): Record<string, unknown> | undefined {
  const file = path.join(folder, CONFIG);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new UsageError(`${file} is not valid JSON; restore it from your version control.`);
  }
}

/**
 * The contents of a project's `.yo-rc.json`. What else stands there, of other generators say, stays; where nothing has
 * changed, it stays as it is written.
 */
export function storedContents(root: string, answers: KnownAnswers, tiers: Tiers, version: string): string {
  const before = readConfig(root) ?? {};
  const ours = { ...(before[PACKAGE] as object), ...answers, tiers: inOrder(tiers), version };
  const sorted = Object.fromEntries(Object.entries(ours).sort(([a], [b]) => (a < b ? -1 : 1)));
  const after = { ...before, [PACKAGE]: sorted };
  if (isDeepStrictEqual(before, after)) return readFileSync(path.join(root, CONFIG), 'utf8');
  return `${JSON.stringify(after, null, 2)}\n`;
}

/**
 * Refuses a folder in which no project can be made: one inside another project, or one that holds other files.
 *
 * @throws UsageError
 */
export function checkNewRoot(root: string): void {
  const outer = ancestors(root).find((folder) => readConfig(folder)?.[PACKAGE]);
  if (outer) {
    throw new UsageError(`${root} lies inside the project ${outer}; run the command outside of it, or use --output.`);
  }
  if (!existsSync(root)) return;
  if (existsSync(path.join(root, BASELINE))) {
    throw new UsageError(`${path.join(root, CONFIG)} is missing; restore it from your version control.`);
  }
  if (isOccupied(root)) {
    throw new UsageError(`${root} is there already and is no three-tier project; choose another name or use --output.`);
  }
}

function ancestors(folder: string): string[] {
  const parent = path.dirname(folder);
  return parent === folder ? [] : [parent, ...ancestors(parent)];
}

function isOccupied(root: string): boolean {
  try {
    return readdirSync(root).some((entry) => !IGNORED.has(entry));
  } catch {
    return true; // a file, or a folder that we may not read
  }
}
