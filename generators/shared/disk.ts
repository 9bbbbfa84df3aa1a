import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, type Stats } from 'node:fs';
import path from 'node:path';
import { explainFileError, UsageError } from './errors.ts';

/** What has the place of a file in a project. */
export interface Found {
  /** Tells these contents from any other; undefined where there is nothing, `other` where it is no file. */
  readonly digest: string | undefined;
  /** The contents; undefined where there is nothing, and where it is no text: a link, a folder, other bytes. */
  readonly text?: string;
  /** Permission bits. */
  readonly mode: number;
}

export const NOTHING: Found = { digest: undefined, mode: 0 };

/** Looks at one file. Links are not followed: what they point to is not the project's. */
export function look(root: string, file: string): Found {
  const target = path.join(root, file);
  const stats = statusOf(target);
  try {
    if (!stats) return NOTHING;
    const mode = stats.mode & 0o777;
    if (!stats.isFile()) return { digest: 'other', mode };
    const bytes = readFileSync(target);
    return { digest: createHash('sha256').update(bytes).digest('hex'), mode, ...decoded(bytes) };
  } catch (error) {
    throw explainFileError(error, `read ${target}`, 'make it readable and run the command again');
  }
}

/** Bytes that are no UTF-8 would not come back as they were. */
function decoded(bytes: Buffer): { text?: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return {};
  }
}

/**
 * Makes sure that the files lie in folders of the project itself.
 *
 * @throws UsageError where a link or a file has the place of one of the folders: what is written would end up elsewhere.
 */
export function checkFolders(root: string, files: readonly string[]): void {
  for (const folder of new Set(files.flatMap(foldersOf))) {
    const stats = statusOf(path.join(root, folder));
    if (!stats || stats.isDirectory()) continue;
    const what = stats.isSymbolicLink() ? 'a symbolic link' : 'a file';
    throw new UsageError(`${path.join(root, folder)} is ${what} where a folder should be; move it away first.`);
  }
}

function statusOf(target: string): Stats | undefined {
  try {
    return lstatSync(target, { throwIfNoEntry: false });
  } catch (error) {
    throw explainFileError(error, `write ${target}`, 'choose another folder');
  }
}

function foldersOf(file: string): string[] {
  const folders = file.split('/').slice(0, -1);
  return folders.map((_, depth) => folders.slice(0, depth + 1).join('/'));
}

/** The text of a file, or undefined where there is none. */
export function readText(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw explainFileError(error, `read ${file}`, 'make it readable and run the command again');
  }
}
