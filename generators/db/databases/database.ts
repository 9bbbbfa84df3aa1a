import type { Secret } from '../../shared/kinds.ts';

/**
 * A database: one folder beside this file, and one line in `index.ts`.
 *
 * The folder holds
 *
 *     index.ts            the facts below, which other tiers read
 *     compose.yml.ejs     its service, as it stands in docker-compose.yml
 *     stack.yml.ejs       the same in stack.yml, down to the limits of its resources
 *     env.ejs             its variables, as they stand in .env.template
 *     readme.md.ejs       its section of the project's README
 *     templates/          its files, laid out as in the project:
 *       init-….*          the initialisation, idempotent
 *       ops/swarm_database.sh  how it starts on Docker Swarm: its passwords are in files, its init files are applied
 *
 * Beside that, ops/ of this repository has files that are called after it, which a project gets with it:
 *
 *     operations/databases/ID.py  what the commands need to know of it, as `Database` in operations/contracts.py says; its
 *                                 class is called as the id is, with a capital letter
 *     inside/ID/                  programs for its shell, where there are any
 *
 * The agent's memory on it is a package of the same name in `runtime/src/three_tier/agent/`, whose `build_memory(settings)`
 * gives a `Memory` (contract.py there). `runtime/tests/agent/test_memory.py` says what a memory must do, and runs unchanged
 * against each.
 * After adding one, `npm run lock` compiles the requirements of its combinations.
 */
export interface Database {
  /** As people write it. */
  readonly label: string;
  /** The absolute path of its folder. */
  readonly folder: string;
  /** The service is called `<agent>-<service>`. */
  readonly service: string;
  /** What its volume is called, after the project and the agent; no two databases share one, so none finds another's files. */
  readonly volume: string;
  /** The agent's DATABASE_URL in the Compose file, without a password, for the agent called `name`. */
  readonly url: (name: string) => string;
  /** The names of databases and users that it keeps for itself, so that no agent's can be called like that. */
  readonly reserved: RegExp;
  /** The files that set an empty database up, in their order, relative to the project. */
  readonly initFiles: readonly string[];
  /** When these are read, as the README says it. */
  readonly initFilesTakeEffect: string;
  /** Its settings that are secrets. */
  readonly secrets: readonly Secret[];
  /** What the agent needs from PyPI to talk to it. */
  readonly packages: readonly string[];
  /** What its tests and type checks need beside. */
  readonly devPackages: readonly string[];
}
