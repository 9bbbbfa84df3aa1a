import type { ProjectFile } from './overlay.ts';
import { isTier } from './tiers.ts';

/** Files of version 0.1 that have another name where they are now; the others are called as before. */
const RENAMED: Readonly<Record<string, string>> = {
  'agent/postgres.py': 'postgres/database.py',
  'agent/mongo.py': 'mongo/database.py',
};

/**
 * Where a file of version 0.1 is now: the Python of a tier that its owner does not write has become the package
 * `three_tier` in the tier's folder.
 *
 * @param file - A file that was generated and is no longer.
 * @param generated - All files that are generated now.
 */
export function movedTo(file: string, generated: readonly ProjectFile[]): ProjectFile | undefined {
  const [tier = '', ...rest] = file.split('/');
  if (!isTier(tier)) return undefined;
  const end = `/${RENAMED[file] ?? rest.join('/')}`;
  const found = generated.filter(({ path }) => path.startsWith(`${tier}/three_tier/`) && path.endsWith(end));
  return found.length === 1 ? found[0] : undefined;
}
