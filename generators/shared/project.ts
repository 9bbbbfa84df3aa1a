import type { ProjectFile } from './overlay.ts';
import type { KnownAnswers } from './questions.ts';
import type { Tiers } from './tiers.ts';

/** The project that a run writes: `app` opens it, the tiers add their files, and `app` puts them on the disk. */
export interface Project {
  readonly root: string;
  readonly answers: KnownAnswers;
  /** Those that it has once the run is done. */
  readonly tiers: Tiers;
  /** What the templates see. */
  readonly data: object;
  readonly files: ProjectFile[];
}

const projects = new WeakMap<object, Project>();

/** Makes `project` the one of all generators that run in `environment`. */
export function openProject(environment: object, project: Project): void {
  projects.set(environment, project);
}

export function currentProject(environment: object): Project {
  const project = projects.get(environment);
  if (!project) throw new Error('No project is open: three-tier:app opens it');
  return project;
}
