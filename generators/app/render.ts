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
  const render = (folder: string, isWanted: (file: string) => boolean) => renderOverlay(folder, data, isWanted);
  const common = render(path.join(import.meta.dirname, 'templates'), (file) => hasCommonFile(file, tiers));
  const partial = path.join(import.meta.dirname, 'partial');
  const isPartial = missingFrom(tiers).length > 0;
  // The database brings the agent's memory, whether or not it runs here itself.
  const needed = TIERS.filter((tier) => tiers.has(tier) || (tier === 'db' && tiers.has('agent')));
  return [
    { path: CONFIG, contents: storedContents(root, answers, tiers, installedVersion()), mode: 0o644, isComplete: true },
    ...common,
    ...(isPartial ? render(partial, () => true) : []),
    ...needed.flatMap((tier) =>
      parts[tier].folders(answers).flatMap((folder) => render(folder, (file) => hasFile(file, tier, tiers))),
    ),
  ];
}
