import path from 'node:path';
import { CONFIG, storedContents } from '../shared/location.ts';
import { type ProjectFile, renderOverlay } from '../shared/overlay.ts';
import { installedVersion } from '../shared/package.ts';
import { hasCommonFile, hasFile, missingFrom, TIERS } from '../shared/tiers.ts';
import { templateData } from './data.ts';
import type { Plan } from './plan.ts';
import { tiers as parts } from './questions.ts';

/** All files of a project: a pure function of its answers and tiers, but for what others keep in its `.yo-rc.json`. */
export function renderProject({ root, answers, tiers }: Plan): ProjectFile[] {
  const data = templateData(answers, tiers);
  const common = path.join(import.meta.dirname, 'templates');
  const partial = path.join(import.meta.dirname, 'partial');
  // The database brings the agent's memory, whether or not it runs here itself.
  const needed = TIERS.filter((tier) => tiers.has(tier) || (tier === 'db' && tiers.has('agent')));
  return [
    { path: CONFIG, contents: storedContents(root, answers, tiers, installedVersion()), mode: 0o644, isComplete: true },
    ...renderOverlay(common, data, (file) => hasCommonFile(file, tiers)),
    ...(missingFrom(tiers).length > 0 ? renderOverlay(partial, data, () => true) : []),
    ...needed.flatMap((tier) => {
      const { folders, shared } = parts[tier];
      const isWanted = (file: string) => hasFile(file, tier, tiers);
      return [
        ...folders(answers).flatMap((folder) => renderOverlay(folder, data, isWanted)),
        ...shared(answers).flatMap((folder) => renderOverlay(folder, data, isWanted, tier)),
      ];
    }),
  ];
}
