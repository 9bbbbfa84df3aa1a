import type { Secret } from '../../shared/kinds.ts';

/**
 * What answers a message: one folder beside this file, and one line in `index.ts`.
 *
 * The folder holds
 *
 *     index.ts            the facts below
 *     compose.yml.ejs     its lines in the agent's environment in docker-compose.yml; may be empty
 *     environment.yml.ejs those of them that are no secrets, which stack.yml has too; may be empty
 *     env.ejs             its variables, as they stand in .env.template; may be empty
 *     readme.md.ejs       its section of the project's README
 *     templates/agent/    logic.py and its tests, which are the owner's
 *     templates/docs/howto/  pages on what can be changed; the tests run their examples
 *
 * What runs it is a package of the same name in `runtime/src/three_tier/agent/`, whose `load` gives a `Logic`
 * (contract.py there).
 */
export interface Logic {
  /** As people write it. */
  readonly label: string;
  /** A message that shows what it does, for READMEs and scripts: letters, digits and the signs in `.,!?()`. */
  readonly example: string;
  /** The absolute path of its folder. */
  readonly folder: string;
  /** How many of a thread's newest messages it reads, unless the owner says otherwise. */
  readonly historyWindow: number;
  /** Its settings that are secrets. */
  readonly secrets: readonly Secret[];
  /** What it needs from PyPI. */
  readonly packages: readonly string[];
  /** What its tests and type checks need beside. */
  readonly devPackages: readonly string[];
}
