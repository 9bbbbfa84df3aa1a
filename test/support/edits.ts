import { appendFileSync, chmodSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What an owner does to a file. */
export const EDITS = [
  'insert',
  'replace',
  'append',
  'carriage returns',
  'other bytes',
  'chmod',
  'link',
  'delete',
] as const;

export type EditKind = (typeof EDITS)[number];

/** An edit that is to outlive every run. */
export interface Edit {
  readonly file: string;
  readonly kind: EditKind;
  /** Words that occur nowhere else, where the edit adds some. */
  readonly marker?: string;
}

/** Files in which a line that is replaced may stop the project from being valid, through no fault of a run. */
const DELICATE = /\.(py|sh|js|yml|toml|sql)$|^\.env\.template$|Dockerfile$|\.dockerignore$|requirements/;
/** Files without which a project cannot be checked. */
const CHECKED = /\.py$|^docker-compose\.yml$|^\.env\.template$|^pyproject\.toml$/;

/** A line that changes nothing for the programs that read the file. */
function comment(file: string, marker: string): string {
  if (/\.sql$/.test(file)) return `-- ${marker}`;
  if (/\.(js|css)$/.test(file)) return `/* ${marker} */`;
  if (/\.(html|svg|md)$/.test(file)) return `<!-- ${marker} -->`;
  return /LICENSE$/.test(file) ? marker : `# ${marker}`;
}

/** Edits a file; `at` says where in it, from 0 to 1. Undefined where this edit does not suit the file. */
export function edit(project: string, file: string, kind: EditKind, at: number, number: number): Edit | undefined {
  const target = path.join(project, file);
  if (!lstatSync(target).isFile()) return undefined;
  if (file === '.yo-rc.json') return editAnswers(target, file, number);
  const marker = `owner-${number}-of-it`;
  const contents = readFileSync(target, 'utf8');
  const end = contents.includes('\r\n') ? '\r\n' : '\n';
  const lines = contents.split(end);
  const places = placesIn(file, lines);
  const place = places[Math.floor(at * places.length)] ?? lines.length - 1;
  switch (kind) {
    case 'insert':
      lines.splice(place, 0, comment(file, marker));
      writeFileSync(target, lines.join(end));
      return { file, kind, marker };
    case 'replace':
      if (DELICATE.test(file)) return undefined;
      lines.splice(place, 1, comment(file, marker));
      writeFileSync(target, lines.join(end));
      return { file, kind, marker };
    case 'append':
      appendFileSync(target, comment(file, marker) + end);
      return { file, kind, marker };
    case 'carriage returns':
      if (contents.includes('\r') || file === '.env.template') return undefined;
      writeFileSync(target, contents.replaceAll('\n', '\r\n'));
      return { file, kind };
    case 'other bytes':
      if (CHECKED.test(file)) return undefined;
      appendFileSync(target, Buffer.from(`${comment(file, marker)} caf\xe9${end}`, 'latin1'));
      return { file, kind, marker };
    case 'chmod':
      chmodSync(target, file.endsWith('.sh') ? 0o700 : 0o600);
      return { file, kind };
    case 'link':
      if (CHECKED.test(file)) return undefined;
      rmSync(target);
      symlinkSync(`elsewhere-${marker}`, target);
      return { file, kind };
    case 'delete':
      if (CHECKED.test(file)) return undefined;
      rmSync(target);
      return { file, kind };
  }
}

/** Above which lines a comment may stand; elsewhere it may be in the middle of a string. */
const PLACES: Readonly<Record<string, RegExp>> = { '.py': /^(async def|def|class|@)/, '.yml': /^ {0,4}[\w-]+:/ };

function placesIn(file: string, lines: readonly string[]): number[] {
  const isPlace = PLACES[path.extname(file)] ?? /^/;
  return lines.flatMap((line, place) => (isPlace.test(line) ? [place] : []));
}

/** The answers are data: what else stands there is to stay, as data. */
function editAnswers(target: string, file: string, number: number): Edit {
  const marker = `owner-${number}`;
  const config = JSON.parse(readFileSync(target, 'utf8'));
  writeFileSync(target, JSON.stringify({ [marker]: true, ...config }));
  return { file, kind: 'insert', marker };
}

/** Whether an edit is still there. */
export function isThere(project: string, { file, kind, marker }: Edit): boolean {
  const target = path.join(project, file);
  const found = lstatSync(target, { throwIfNoEntry: false });
  if (kind === 'delete') return !found;
  if (kind === 'link') return Boolean(found?.isSymbolicLink());
  if (!found?.isFile()) return false;
  if (kind === 'chmod') return (found.mode & 0o077) === 0;
  const contents = readFileSync(target, 'latin1');
  if (kind === 'carriage returns') return !/(?<!\r)\n/.test(contents);
  return contents.includes(marker as string);
}
