import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What was skipped since the last build, a line of JSON each. */
const SKIPPED = path.join(import.meta.dirname, '../../skipped.jsonl');

/** What is not tested on this machine, and how it can be. */
interface Skipped {
  readonly what: string;
  readonly remedy: string;
}

/** Notes what is skipped, for the last line of `npm test`; in CI that is an error. */
export function noteSkipped(what: string, remedy: string): void {
  if (process.env.CI) throw new Error(`${what}: skipped, and in CI nothing is; ${remedy}`);
  appendFileSync(SKIPPED, `${JSON.stringify({ what, remedy } satisfies Skipped)}\n`);
}

/** All that was skipped in one line, or undefined. */
export function skippedLine(): string | undefined {
  if (!existsSync(SKIPPED)) return undefined;
  const notes = readFileSync(SKIPPED, 'utf8').trim().split('\n');
  const byRemedy = new Map<string, Set<string>>();
  for (const { what, remedy } of notes.map((line) => JSON.parse(line) as Skipped)) {
    byRemedy.set(remedy, (byRemedy.get(remedy) ?? new Set()).add(what));
  }
  const parts = [...byRemedy].map(([remedy, what]) => `${[...what].sort().join(', ')} (${remedy})`);
  return `Skipped: ${parts.join('; ')}.`;
}

if (process.argv[1] === import.meta.filename) {
  const line = skippedLine();
  if (line) console.log(line);
}
