import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Fills a folder from files, unless it was filled from files with the same contents before; whether it is filled. */
export function once(folder: string, sources: readonly string[], fill: () => boolean): boolean {
  const stamp = path.join(folder, `${path.parse(sources[0] ?? folder).name}.sha256`);
  const hash = createHash('sha256');
  for (const source of sources) hash.update(readFileSync(source));
  const wanted = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;
  if (!fill()) return false;
  mkdirSync(folder, { recursive: true });
  writeFileSync(stamp, wanted);
  return true;
}
