import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BASELINE } from './baseline.ts';
import { UsageError } from './errors.ts';
import type { Host } from './host.ts';
import type { Answers, KnownAnswers, Question } from './questions.ts';
import { inOrder, isTier, TIERS, type Tiers } from './tiers.ts';

/** The file in which a project keeps its answers, under the package's name as Yeoman has it. */
export const CONFIG = '.yo-rc.json';
const PACKAGE = 'generator-three-tier';

/** What an empty folder may hold: a fresh repository, and what a run that was killed had begun. */
const IGNORED: ReadonlySet<string> = new Set(['.git', path.dirname(BASELINE)]);

type Read = Host['read'];
type Config = Readonly<Record<string, unknown>>;

/** What to do where a folder cannot be used. */
export interface Advice {
  readonly inside: string;
  readonly taken: string;
  /** Where the project in it has another name. */
  readonly renamed: string;
}

/** What a project keeps in that file. */
export interface Stored {
  /** The answers as they stand there, and what else somebody has written beside them. */
  readonly config: Config;
  readonly tiers: Tiers;
  /** That of this package which wrote the project last; undefined where it was one that did not note it. */
  readonly version: string | undefined;
}

/**
 * What the project in `folder` has stored, or undefined where it is no project of ours.
 *
 * @throws UsageError where it cannot be read.
 */
export function readStored(folder: string, read: Read): Stored | undefined {
  const config = readConfig(folder, read)?.[PACKAGE];
  if (config === undefined) return undefined;
  if (!isAnswers(config)) {
    const file = path.join(folder, CONFIG);
    throw new UsageError(`${file}: "${PACKAGE}" holds no project's name; restore it from your version control.`);
  }
  const { version, tiers = TIERS } = config;
  const parsed = inFile(folder, () => parseTiers(tiers));
  return { config, tiers: parsed, version: typeof version === 'string' ? version : undefined };
}

/** Whether a project stands in `folder`, although its answers may have been damaged since. */
export function isProject(folder: string, read: Read): boolean {
  if (existsSync(path.join(folder, BASELINE))) return true;
  try {
    return isAnswers(readConfig(folder, read)?.[PACKAGE]);
  } catch {
    return false; // somebody else's file, which need not be read
  }
}

/** The project that `folder` lies in, if there is one. */
export function outerProject(folder: string, read: Read): string | undefined {
  return ancestors(folder).find((ancestor) => isProject(ancestor, read));
}

function isAnswers(stored: unknown): stored is Config {
  return isObject(stored) && typeof stored.name === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The answers to `questions` that the project in `folder` has stored.
 *
 * @throws UsageError where one of them is not valid.
 */
export function storedAnswers(folder: string, { config }: Stored, questions: readonly Question[]): Partial<Answers> {
  const known = questions.filter(({ key }) => config[key] !== undefined);
  return inFile(folder, () => Object.fromEntries(known.map(({ key, parse }) => [key, parse(String(config[key]))])));
}

/** Names the file in what is wrong with it. */
function inFile<Value>(folder: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`${path.join(folder, CONFIG)}: ${(error as Error).message}`);
  }
}

function parseTiers(value: unknown): Tiers {
  if (Array.isArray(value) && value.length > 0 && value.every(isTier)) return new Set(value);
  throw new UsageError(`tiers: ${JSON.stringify(value)} is not a list of tiers; use ${TIERS.join(', ')}.`);
}

function readConfig(folder: string, read: Read): Record<string, unknown> | undefined {
  const file = path.join(folder, CONFIG);
  const text = read(file);
  if (text === undefined) return undefined;
  const config = parseJson(text);
  if (isObject(config)) return config;
  throw new UsageError(`${file} is not valid JSON with an object; restore it from your version control.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The contents of a project's `.yo-rc.json`. What else stands there, of other generators say, stays; where nothing has
 * changed, it stays as it is written.
 */
export function storedContents(root: string, read: Read, answers: KnownAnswers, tiers: Tiers, version: string): string {
  const before = readConfig(root, read) ?? {};
  const ours = { ...(before[PACKAGE] as object | undefined), ...answers, tiers: inOrder(tiers), version };
  const sorted = Object.fromEntries(Object.entries(ours).sort(([a], [b]) => (a < b ? -1 : 1)));
  const after = { ...before, [PACKAGE]: sorted };
  if (isDeepStrictEqual(before, after)) return read(path.join(root, CONFIG)) as string;
  return `${JSON.stringify(after, null, 2)}\n`;
}

/**
 * Refuses a folder in which no project can be made: one inside another project, or one that holds other files.
 *
 * @param advice - Where to go instead: out of another project, and out of a folder that is taken.
 * @throws UsageError
 */
export function checkNewRoot(root: string, read: Read, advice: Advice): void {
  const outer = outerProject(root, read);
  if (outer) throw new UsageError(`${root} lies inside the project ${outer}; ${advice.inside}.`);
  if (!existsSync(root)) return;
  if (existsSync(path.join(root, BASELINE))) {
    throw new UsageError(`${path.join(root, CONFIG)} is missing; restore it from your version control.`);
  }
  if (isOccupied(root)) {
    throw new UsageError(`${root} is there already and is no three-tier project; ${advice.taken}.`);
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
