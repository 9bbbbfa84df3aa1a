import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const made: string[] = [];

/** A new empty folder, removed when the tests end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'three-tier-'));
  made.push(folder);
  return folder;
}

/** A copy of a project, in which scripts may write. */
export function copyOf(project: string): string {
  const copy = path.join(temporaryFolder(), path.basename(project));
  mkdirSync(copy);
  cpSync(project, copy, { recursive: true });
  return copy;
}

after(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** All files below `folder`, by relative path, as text. */
export function readTree(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  return new Map(files.map((file) => [path.relative(folder, file), readFileSync(file, 'latin1')]));
}
