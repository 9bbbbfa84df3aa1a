import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './errors.ts';
import type { Answers, Question } from './questions.ts';

/** The file in which a project keeps its answers, under the package's name as Yeoman has it. */
export const CONFIG = '.yo-rc.json';
const PACKAGE = 'generator-three-tier';

/**
 * The answers stored in `folder`, or undefined where it is no project of ours.
 *
 * @throws UsageError where they cannot be read, or are not answers to `questions`.
 */
export function readStored(folder: string, questions: readonly Question[]): Partial<Answers> | undefined {
  const stored = readConfig(folder);
  if (!stored) return undefined;
  const known = questions.filter(({ key }) => stored[key] !== undefined);
  try {
    return Object.fromEntries(known.map(({ key, parse }) => [key, parse(String(stored[key]))]));
  } catch (error) {
    throw new UsageError(`${path.join(folder, CONFIG)}: ${(error as Error).message}`);
  }
}

function readConfig(folder: string): Record<string, unknown> | undefined {
  const file = path.join(folder, CONFIG);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'))[PACKAGE];
  } catch {
    throw new UsageError(`${file} is not valid JSON; restore it from your version control.`);
  }
}

/** The contents of a project's `.yo-rc.json`. */
export function storedAnswers(answers: Answers, tiers: readonly string[]): string {
  const sorted = Object.fromEntries(Object.entries({ ...answers, tiers }).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ [PACKAGE]: sorted }, null, 2)}\n`;
}

/**
 * Refuses a folder in which no project can be made: one inside another project, or one that holds other files.
 *
 * @throws UsageError
 */
export function checkNewRoot(root: string): void {
  const outer = ancestors(root).find((folder) => readConfig(folder));
  if (outer) {
    throw new UsageError(`${root} lies inside the project ${outer}; run the command outside of it, or use --output.`);
  }
  if (!existsSync(root)) return;
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
    return readdirSync(root).length > 0;
  } catch {
    return true; // a file, or a folder that we may not read
  }
}
