import path from 'node:path';
import { styleText } from 'node:util';
import { createTwoFilesPatch } from 'diff';
import type { Action, Change } from '../shared/changes.ts';
import type { TemplateData } from './data.ts';

/** What each action is called in the report; those without a word are not worth a line. */
const VERBS: Partial<Record<Action, string>> = {
  create: 'create',
  update: 'update',
  merge: 'merge',
  conflict: 'conflict',
  deleted: 'you deleted',
  remove: 'remove',
  orphan: 'keep, edited',
};

/** One line for each file that a run changes or passes over. */
export function changeLines(changes: readonly Change[]): string[] {
  return changes.flatMap(({ action, path: file }) => {
    const verb = VERBS[action];
    return verb ? [`${verb.padStart(12)} ${file}`] : [];
  });
}

/** What a change does to the lines of a file. */
export function diffOf({ path: file, theirs = '', ours = '', action, result = ours }: Change): string {
  const after = action === 'remove' ? '' : result;
  const lines = createTwoFilesPatch(file, file, theirs, after, '', '', { context: 2 }).split('\n').slice(1);
  return lines.map(colour).join('\n');
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

function colour(line: string): string {
  if (!process.stdout.isTTY) return line;
  if (line.startsWith('+')) return styleText('green', line);
  if (line.startsWith('-')) return styleText('red', line);
  return line.startsWith('@') ? styleText('cyan', line) : line;
}

function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
