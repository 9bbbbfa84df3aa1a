import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ejs from 'ejs';

/** A file of the project, ready to be written. */
export interface ProjectFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly contents: string;
  /** Permission bits, so that the user's umask does not decide what a container can read or run. */
  readonly mode: number;
  /** Whether the contents take into account what is on the disk, so that there is nothing to merge. */
  readonly isComplete?: boolean;
}

/** What is run by its name. */
const PROGRAM = /\.sh$|^ops\/three-tier$/;

/**
 * Renders a folder of templates laid out as the project is. A file that ends in `.ejs` is rendered, every other is
 * taken as it is; a leading underscore stands for the dot of a dotfile, since npm leaves some of those out of packages.
 *
 * @param isWanted - Whether the project has this file.
 * @param into - The folder of the project that the templates are laid out as, where that is not the project itself.
 */
export function renderOverlay(
  folder: string,
  data: object,
  isWanted: (file: string) => boolean,
  into = '',
): ProjectFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((source) => ({ source, target: projectPath(path.join(into, path.relative(folder, source))) }))
    .filter(({ target }) => isWanted(target))
    .map(({ source, target }) => renderFile(source, target, data))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function renderFile(source: string, target: string, data: object): ProjectFile {
  const text = readFileSync(source, 'utf8');
  const contents = source.endsWith('.ejs') ? ejs.render(text, data, { filename: source }) : text;
  return { path: target, contents, mode: PROGRAM.test(target) ? 0o755 : 0o644 };
}

function projectPath(relative: string): string {
  const segments = relative.replace(/\.ejs$/, '').split(path.sep);
  return segments.map((segment) => segment.replace(/^_(?!_)/, '.')).join('/');
}
