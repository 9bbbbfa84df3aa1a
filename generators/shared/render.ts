import path from 'node:path';
import { type TemplateData, templateData } from './data.ts';
import { comesWith } from './extras.ts';
import type { Host } from './host.ts';
import { CONFIG, storedContents } from './location.ts';
import { renderOperations } from './operations.ts';
import { type ProjectFile, renderOverlay } from './overlay.ts';
import { installedVersion } from './package.ts';
import type { Plan } from './project.ts';
import { renderTier } from './tier.ts';
import { hasCommonFile, missingFrom } from './tiers.ts';

/** The templates of what is common to the tiers. */
const COMMON = path.join(import.meta.dirname, '../app/templates');
/** What stands in place of some of it where a tier is missing. */
const PARTIAL = path.join(import.meta.dirname, '../app/partial');

/** What the templates of a project see. */
export function dataOf({ answers, tiers, parts }: Plan): TemplateData {
  return templateData(
    answers,
    tiers,
    parts.map(({ facts }) => facts(answers)),
  );
}

/** All files of a project: a pure function of its answers and tiers, but for what others keep in its `.yo-rc.json`. */
export function renderProject(plan: Plan, read: Host['read']): ProjectFile[] {
  const { root, answers, tiers, parts } = plan;
  const data = dataOf(plan);
  const stored = storedContents(root, read, answers, tiers, installedVersion());
  const files = [
    ...renderOverlay(COMMON, data, (file) => hasCommonFile(file, tiers)),
    ...renderOperations(data, tiers),
    ...(missingFrom(tiers).length > 0 ? renderOverlay(PARTIAL, data, () => true) : []),
    ...parts.flatMap((tier) => renderTier(tier, answers, tiers, data)),
  ];
  return [
    { path: CONFIG, contents: stored, mode: 0o644, isComplete: true },
    ...files.filter((file) => comesWith(file.path, data.extras)),
  ];
}
