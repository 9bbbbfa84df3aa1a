import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { databases } from '../../generators/db/databases/index.ts';
import { type Combination, generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';
import { Disk } from './disk.ts';
import { isUsual, type Usage, usageOf } from './usage.ts';

const MEGABYTES = 1024; // of which ops/verify.sh wants 500 to be free

/** A project whose database is on a small disk of its own. */
export class Target {
  readonly stack: Stack;
  readonly disk: Disk;
  /** The services, without the project's name. */
  readonly tiers: readonly string[];
  #usual: Usage[] = [];

  private constructor(stack: Stack, disk: Disk, tiers: readonly string[]) {
    this.stack = stack;
    this.disk = disk;
    this.tiers = tiers;
  }

  /** Generates a project, not deployed yet. */
  static async make(name: string, choice: Combination): Promise<Target> {
    const stack = await Stack.fresh(await generate(temporaryFolder(), name, choice, ...(await freePorts())));
    stack.configure();
    const { service } = databases[choice.database];
    const { services } = JSON.parse(await stack.compose('config', '--format', 'json'));
    const disk = await Disk.make(name, MEGABYTES, services[`${name}-${service}`].user);
    // The file ends with the name of the volume.
    const options = `    driver_opts: {type: none, o: bind, device: "${disk.data}"}\n`;
    appendFileSync(path.join(stack.folder, 'docker-compose.yml'), options);
    return new Target(stack, disk, [service, 'agent', 'interface']);
  }

  async deploy(): Promise<void> {
    const { status, output } = await this.stack.deploy();
    if (status !== 0) throw new Error(output);
  }

  /** Remembers what the tiers hold as what they usually do. */
  async noteUsual(): Promise<void> {
    this.#usual = await this.#usage();
  }

  /** Fails where the tiers do not come back to what they usually hold. */
  async assertUsual(): Promise<void> {
    let held: Usage[] = [];
    const isBack = async () => {
      held = await this.#usage();
      return held.every((found, n) => isUsual(found, this.#usual[n] as Usage));
    };
    await until('the tiers hold what they usually do', 60, isBack).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify({ held, usual: this.#usual })}`);
    });
  }

  #usage(): Promise<Usage[]> {
    return Promise.all(this.tiers.map((tier) => usageOf(this.stack, tier)));
  }

  /** What the tiers have logged since then, the end of it. */
  async logs(since: Date): Promise<string> {
    return this.stack.compose('logs', '--no-color', '--since', since.toISOString(), '--tail', '50');
  }

  async remove(): Promise<void> {
    await this.stack.remove();
    await this.disk.remove();
  }
}
