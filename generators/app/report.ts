import path from 'node:path';
import type { Changes } from '../shared/apply.ts';
import type { TemplateData } from './data.ts';

/** One line a file, for the files that change. */
export function changeLines({ create, update, remove, edited }: Changes): string[] {
  const verbs = Object.entries({ create, update, remove, overwrite: edited });
  return verbs.flatMap(([verb, files]) => files.map((file) => `${verb.padStart(9)} ${file}`));
}

/** What to do after a project was made. */
export function nextSteps(root: string, cwd: string, { name, database, logic, interface: way }: TemplateData): string {
  const folder = path.relative(cwd, root) || '.';
  return `
${name} is written: ${way.label} → ${logic.label} → ${database.label}.

  cd ${shellWord(folder)}
  ./deploy.sh          builds, starts and verifies the three tiers
  README.md            how to talk to it, change it and run it
`;
}

function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
