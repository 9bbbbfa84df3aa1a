/**
 * A run over the project in the folder given, as `three-tier:app` does it, with files from the standard input instead
 * of templates; makes the project where there is none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createProject, finishPending } from '../../generators/shared/apply.ts';
import { NO_BASELINE, readBaseline } from '../../generators/shared/baseline.ts';
import { changeProject } from '../../generators/shared/change.ts';
import { compare } from '../../generators/shared/changes.ts';
import type { ProjectFile } from '../../generators/shared/overlay.ts';

/** Every conflict is left open. */
export async function change(root: string, files: readonly ProjectFile[]): Promise<void> {
  finishPending(root);
  const baseline = readBaseline(root);
  const isNew = !existsSync(root) || readdirSync(root).every((entry) => entry === '.three-tier');
  if (!baseline && isNew) createProject(root, files);
  else await changeProject(root, files, compare(root, files, baseline ?? NO_BASELINE), baseline ?? NO_BASELINE, leave);
}

async function leave(): Promise<undefined> {}

if (process.argv[1] === import.meta.filename) {
  await change(process.argv[2] as string, JSON.parse(readFileSync(0, 'utf8')));
}
