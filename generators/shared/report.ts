import path from 'node:path';
import { styleText } from 'node:util';
import { createTwoFilesPatch } from 'diff';
import type { OpenConflict } from './change.ts';
import type { Action, Change } from './changes.ts';
import type { TemplateData } from './data.ts';
import { UsageError } from './errors.ts';

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

/** The same after an update to another version of this package, with what was kept. */
const DONE: Partial<Record<Action, string>> = {
  create: 'added',
  update: 'updated',
  merge: 'merged',
  keep: 'kept',
  conflict: 'conflict',
  deleted: 'you deleted',
  remove: 'removed',
  orphan: 'kept, unused',
};

/** Actions that change files. */
const CHANGING: ReadonlySet<Action> = new Set(['create', 'update', 'merge', 'conflict', 'remove']);

export function changesFiles({ action }: Change): boolean {
  return CHANGING.has(action);
}

/** One line for each file that a run changes or passes over. */
export function changeLines(changes: readonly Change[]): string[] {
  return linesWith(VERBS, changes);
}

/** One line for each file that an update changes, passes over or keeps, and one that counts them; none without news. */
export function updateLines(changes: readonly Change[]): string[] {
  if (!changes.some((change) => changesFiles(change) || change.action === 'orphan')) return [];
  const counts = Object.entries(DONE).flatMap(([action, verb]) => {
    const count = changes.filter((change) => change.action === action).length;
    return count > 0 ? [`${count} ${verb}`] : [];
  });
  return [...linesWith(DONE, changes), counts.join(' · ')];
}

function linesWith(verbs: Partial<Record<Action, string>>, changes: readonly Change[]): string[] {
  return changes.flatMap(({ action, path: file }) => {
    const verb = verbs[action];
    return verb ? [`${verb.padStart(12)} ${file}`] : [];
  });
}

/** Compiled from the file beside it; nobody reads its hundreds of hashes. */
const LOCK = /requirements(-dev)?\.txt$/;

/** What a change does to the lines of a file, in colours where the stream that it goes to shows them. */
export function diffOf({ path: file, theirs = '', ours = '', result = ours }: Change, to: NodeJS.WriteStream): string {
  const [, ...lines] = createTwoFilesPatch(file, file, theirs, result, '', '', { context: 2 }).split('\n');
  const shown = LOCK.test(file) ? [...lines.slice(0, 2), '@@ another lock @@', ''] : lines;
  return isColoured(to) ? shown.map(colour).join('\n') : shown.join('\n');
}

/** What to say where the owner's file was kept and the new one written beside it. */
export function conflictLine(open: readonly OpenConflict[]): string {
  const [files, beside] = [open.map((file) => file.path), open.map((file) => file.beside)];
  return `${files.join(', ')}: edited where there is something new, so kept as it is; see ${beside.join(', ')}.`;
}

/** What to say of files that somebody changed between the decision about them and its execution. */
export function overtakenLine(files: readonly string[]): string {
  return `${files.join(', ')}: changed while this ran, so left as it is; run the command again.`;
}

/** What to do after a project was made or completed; of one that lacks tiers, how to add them. */
export function nextSteps(root: string, cwd: string, data: TemplateData): string {
  const { name, database, logic, interface: way, tiers, missing, missingPhrase } = data;
  const folder = path.relative(cwd, root);
  const there = [way?.label, logic?.label, tiers.db ? database?.label : undefined].filter(Boolean).join(' → ');
  const enter = folder ? [`  cd ${shellWord(folder)}`] : [];
  const steps = [
    '  ./deploy.sh          builds, starts and verifies the three tiers',
    '  README.md            how to talk to it, change it and run it',
  ];
  const additions = missing.map((tier) => `  yo three-tier:${tier}`.padEnd(28) + ADDITIONS[tier]);
  if (missing.length === 0) return `\n${[`${name} is written: ${there}.`, '', ...enter, ...steps].join('\n')}\n`;
  const said = `${name} has ${there}. Missing: ${missingPhrase}. In its folder, add what is missing in any order:`;
  return `\n${[said, '', ...enter, ...additions].join('\n')}\n`;
}

const ADDITIONS: Readonly<Record<TemplateData['missing'][number], string>> = {
  db: 'adds the database',
  agent: 'adds the agent',
  interface: 'adds the interface',
};

/** How a run ends early: what is said, and the exit code. */
export interface End {
  readonly said: string;
  readonly code: number;
}

/** The end that an error stands for; undefined where it is none of ours. */
export function endOf(error: unknown): End | undefined {
  const { name, message } = error as Error;
  if (name === 'ExitPromptError') return { said: 'Nothing was written.', code: 130 }; // Ctrl-C at a question
  if (!(error instanceof UsageError)) return undefined;
  return { said: `${isColoured(process.stderr) ? styleText('red', '✖') : '✖'} ${message}`, code: 1 };
}

function isColoured(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && !process.env.NO_COLOR;
}

function colour(line: string): string {
  if (line.startsWith('+')) return styleText('green', line);
  if (line.startsWith('-')) return styleText('red', line);
  return line.startsWith('@') ? styleText('cyan', line) : line;
}

function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
