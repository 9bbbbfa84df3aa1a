import type { Secret } from '../../shared/kinds.ts';

/**
 * How people reach the agent: one folder beside this file, and one line in `index.ts`.
 *
 * Its program is a package in `runtime/src/three_tier/interface/`, of the same name. The folder holds
 *
 *     index.ts              the facts below
 *     compose.yml.ejs       its part of the service in docker-compose.yml
 *     environment.yml.ejs   its variables there that are no secrets, which stack.yml has too
 *     stack.yml.ejs         its ports in stack.yml, and how it is updated there
 *     env.ejs               its variables, as they stand in .env.template
 *     readme.md.ejs         its section of the project's README
 *     templates/interface/  what is its owner's: main.py, which hands the rest to the runtime, and sample tests
 *     templates/docs/howto/ pages on what can be changed; the tests run their examples
 *
 * Beside that, ops/ of this repository has two files that are called after it, which a project gets with it:
 *
 *     operations/interfaces/ID.py  what the commands need to know of it, as `Interface` in operations/contracts.py says; its
 *                                  class is called as the id is, with a capital letter
 *     inside/ID/                   programs that run inside containers: what sends a message through all tiers
 */
export interface Interface {
  /** As people write it. */
  readonly label: string;
  /** The absolute path of its folder. */
  readonly folder: string;
  /** Whether it listens on a port of the host, which INTERFACE_PORT names. */
  readonly hasPort?: boolean;
  /** Folders beside its package that it is made of too: what several interfaces share, but not all. */
  readonly parts?: readonly string[];
  /** The folder of its libraries from npm, whose versions a package.json there names. */
  readonly libraries?: string;
  /** Which of its secrets ops/three-tier rotate makes anew, as a clause of the README. */
  readonly rotates?: string;
  /** A variable that only a person can fill in; without it `check_settings` stops. */
  readonly needs?: string;
  /** Its settings that are secrets. */
  readonly secrets: readonly Secret[];
  /** What it needs from PyPI. */
  readonly packages: readonly string[];
  /** What its tests and type checks need beside. */
  readonly devPackages: readonly string[];
}
