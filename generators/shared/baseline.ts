import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { UsageError } from './errors.ts';
import type { ProjectFile } from './overlay.ts';

/** Where a project keeps what was generated last: one compressed file, so that a search finds nothing twice. */
export const BASELINE = '.three-tier/baseline.json.gz';

/** Contents by path, as generated. */
export type Baseline = ReadonlyMap<string, string>;

/** @throws UsageError where the file is there but cannot be read as a baseline. */
export function readBaseline(root: string): Baseline {
  const file = path.join(root, BASELINE);
  if (!existsSync(file)) return new Map();
  try {
    const { files } = JSON.parse(gunzipSync(readFileSync(file)).toString());
    return new Map(Object.entries(files));
  } catch {
    throw new UsageError(`${file} is damaged; restore it from your version control, or delete it and use --force.`);
  }
}

/** The same bytes for the same files, on every machine. */
export function packBaseline(files: readonly ProjectFile[]): Buffer {
  const sorted = files.map((file) => [file.path, file.contents]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const packed = gzipSync(JSON.stringify({ files: Object.fromEntries(sorted) }), { level: 9 });
  packed[9] = 255; // the byte in which gzip names the operating system
  return packed;
}
