import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { UsageError } from './errors.ts';

/** Where a project keeps what was generated last: one compressed file, so that a search finds nothing twice. */
export const BASELINE = '.three-tier/baseline.json.gz';

/** Contents by path, as generated. */
type Contents = ReadonlyMap<string, string>;

export interface Baseline {
  /** What the last run generated. */
  readonly files: Contents;
  /** What earlier runs generated and the owner edited: it stays on the disk, and may be generated again one day. */
  readonly left: Contents;
}

export const NO_BASELINE: Baseline = { files: new Map(), left: new Map() };

/**
 * What was generated last, or undefined where nothing is known of it.
 *
 * @throws UsageError where the file is there but cannot be read as a baseline.
 */
export function readBaseline(root: string): Baseline | undefined {
  const file = path.join(root, BASELINE);
  if (!existsSync(file)) return undefined;
  try {
    const { files, left = {} } = JSON.parse(gunzipSync(readFileSync(file)).toString());
    return { files: toContents(files), left: toContents(left) };
  } catch {
    throw new UsageError(
      `${file} is damaged; restore it from your version control, or delete it, and each file that differs from what ` +
        'is generated will get the new one beside it.',
    );
  }
}

/** The same bytes for the same files, on every machine. */
export function packBaseline({ files, left }: Baseline): Buffer {
  const contents = { files: sorted(files), ...(left.size > 0 ? { left: sorted(left) } : {}) };
  const packed = gzipSync(JSON.stringify(contents), { level: 9 });
  packed[9] = 255; // the byte in which gzip names the operating system
  return packed;
}

function toContents(stored: Record<string, unknown>): Contents {
  const entries = Object.entries(stored);
  if (entries.some(([, contents]) => typeof contents !== 'string')) throw new TypeError('contents are text');
  return new Map(entries as [string, string][]);
}

function sorted(contents: Contents): Record<string, string> {
  return Object.fromEntries([...contents].sort(([a], [b]) => (a < b ? -1 : 1)));
}
