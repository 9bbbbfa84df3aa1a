import assert from 'node:assert/strict';
import path from 'node:path';
import { type LogicId, logics } from '../../generators/agent/logics/index.ts';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { type InterfaceId, interfaces } from '../../generators/interface/interfaces/index.ts';
import { EXTRAS } from '../../generators/shared/extras.ts';
import { readTree, temporaryFolder } from './folders.ts';
import { run } from './generate.ts';

/** One choice of each kind. */
export interface Combination {
  readonly database: DatabaseId;
  readonly logic: LogicId;
  readonly interface: InterfaceId;
}

function ids<Id extends string>(registry: Record<Id, unknown>): Id[] {
  return Object.keys(registry) as Id[];
}

/** Every combination that the registries allow. */
export const combinations: readonly Combination[] = ids(databases).flatMap((database) =>
  ids(logics).flatMap((logic) => ids(interfaces).map((way) => ({ database, logic, interface: way }))),
);

export function label({ database, logic, interface: way }: Combination): string {
  return `${database}-${logic}-${way}`;
}

/** Generates a project called `name` below `cwd`; its path. */
export async function generate(cwd: string, name: string, choice: Combination, ...words: string[]): Promise<string> {
  const flags = Object.entries(choice).flatMap(([flag, id]) => [`--${flag}`, id]);
  const { exitCode, lines } = await run(cwd, 'app', [name, '--yes', ...flags, ...words]);
  if (exitCode !== 0) throw new Error(lines.join('\n'));
  return path.join(cwd, 'agents', name);
}

/** What the projects of `generateAll` have beside their tiers: all that there is, or nothing, with each kind of tier. */
export function extrasOf({ logic }: Combination): string {
  return logic === 'langgraph' ? Object.keys(EXTRAS).join(',') : 'none';
}

/** Every combination, generated before the tests of the calling file: the projects' folders by label. */
export function generateAll(): ReadonlyMap<string, string> {
  const projects = new Map<string, string>();
  before(async () => {
    const cwd = temporaryFolder();
    for (const combination of combinations) {
      const words = ['--with', extrasOf(combination)];
      projects.set(label(combination), await generate(cwd, `agent-${label(combination)}`, combination, ...words));
    }
  });
  return projects;
}

/** As many of the folders called `name` in the projects as hold each distinct file of them at least once. */
export function covering(projects: ReadonlyMap<string, string>, name: string): string[] {
  const seen = new Set<string>();
  return [...projects.values()]
    .map((project) => path.join(project, name))
    .filter((folder) => {
      const files = [...readTree(folder)].filter(([file]) => !file.startsWith('requirements'));
      const unseen = files.map((file) => file.join('\0')).filter((file) => !seen.has(file));
      for (const file of unseen) seen.add(file);
      return unseen.length > 0;
    });
}

/** All files of the projects, each distinct one once, whose path in the project matches. */
export function distinctFiles(projects: ReadonlyMap<string, string>, pattern: RegExp): string[] {
  const found = new Map<string, string>();
  for (const project of projects.values()) {
    for (const [file, contents] of readTree(project)) {
      if (pattern.test(file)) found.set(contents, path.join(project, file));
    }
  }
  assert.ok(found.size > 0, `no file matches ${pattern}`);
  return [...found.values()];
}
