import path from 'node:path';
import type { TemplateData } from './data.ts';
import { type ProjectFile, renderOverlay } from './overlay.ts';
import { hasCommonFile, type Tiers } from './tiers.ts';

/** The program that operates a project; it is developed as a package of its own. */
const SOURCES = path.join(import.meta.dirname, '../../ops');
/** What stands there for the sake of the package alone. A project has its own, from templates. */
const OWN = /^ops\/(pyproject\.toml|tests\/.*|operations\/(kinds|project)\.py|.*\.pyc|(.*\/)?\..*)$/;
/** What belongs to one kind of database or interface, and is called after it. */
const OF_A_KIND = /^ops\/(?:operations\/(?:databases|interfaces)|inside)\/([a-z]+)[./]/;

/** The files of the program that a project has: what all have, and what its kinds need. */
export function renderOperations(data: TemplateData, tiers: Tiers): ProjectFile[] {
  const kinds = [data.database?.id, data.interface?.id];
  return renderOverlay(SOURCES, data, (file) => isWanted(file, kinds) && hasCommonFile(file, tiers), 'ops');
}

function isWanted(file: string, kinds: readonly (string | undefined)[]): boolean {
  const kind = OF_A_KIND.exec(file)?.[1];
  return !OWN.test(file) && (kind === undefined || kinds.includes(kind));
}
