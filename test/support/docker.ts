import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execute, type Finished } from './execute.ts';

/** Waits until `probe` holds; the seconds that took. It may throw while it does not. */
export async function until(what: string, seconds: number, probe: () => Promise<boolean>): Promise<number> {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  while (elapsed() < seconds) {
    if (await probe().catch(() => false)) return elapsed();
    await sleep(100);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

/** A generated project that runs in Docker. */
export class Stack {
  readonly folder: string;
  readonly name: string;

  constructor(folder: string) {
    this.folder = folder;
    this.name = path.basename(folder);
  }

  /** A stack that is about to be started: what an interrupted run left under its name is removed first. */
  static async fresh(folder: string): Promise<Stack> {
    const stack = new Stack(folder);
    const down = ['compose', '--project-name', stack.name, 'down', '--remove-orphans', '--timeout', '5'];
    const { status, output } = await execute('/', 'docker', down);
    if (status !== 0) throw new Error(`docker ${down.join(' ')}: ${output}`);
    await stack.#removeVolumes();
    return stack;
  }

  /** Adds lines to `.env`, made from the template if need be. */
  configure(...lines: string[]): void {
    const { status, stderr } = spawnSync('ops/three-tier', ['env'], { cwd: this.folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    appendFileSync(path.join(this.folder, '.env'), `${lines.join('\n')}\n`);
  }

  setting(variable: string): string {
    const env = readFileSync(path.join(this.folder, '.env'), 'utf8');
    return [...env.matchAll(new RegExp(`^${variable}=(.*)$`, 'gm'))].at(-1)?.[1] ?? '';
  }

  deploy(): Promise<Finished> {
    return this.run('./deploy.sh');
  }

  /** Runs one of the project's scripts. */
  run(script: string, ...args: string[]): Promise<Finished> {
    return execute(this.folder, script, args);
  }

  /** Runs Compose in the project; fails where it does. */
  async compose(...args: string[]): Promise<string> {
    const { status, stdout, output } = await execute(this.folder, 'docker', ['compose', ...args]);
    if (status !== 0) throw new Error(`docker compose ${args.join(' ')}: ${output}`);
    return stdout.trim();
  }

  /** The containers' names by service. */
  async container(service: string): Promise<string> {
    return this.compose('ps', '--all', '--format', '{{.Name}}', `${this.name}-${service}`);
  }

  async inspect(service: string, format: string): Promise<string> {
    return this.docker('inspect', '--format', format, await this.container(service));
  }

  async docker(...args: string[]): Promise<string> {
    const { status, stdout, output } = await execute(this.folder, 'docker', args);
    if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${output}`);
    return stdout.trim();
  }

  /** Runs a command in the container of a service, whatever its outcome. */
  async inside(service: string, command: readonly string[], input = ''): Promise<Finished> {
    const args = ['compose', 'exec', '-T', `${this.name}-${service}`, ...command];
    return execute(this.folder, 'docker', args, input);
  }

  /** Stops and removes everything of the project, its data and images too. */
  async remove(): Promise<void> {
    await this.compose('down', '--volumes', '--rmi', 'local', '--remove-orphans', '--timeout', '5');
    await this.#removeVolumes();
  }

  /**
   * Removes every volume of the project. `down --volumes` leaves what a restore made or another kind of database had, and
   * without a Compose file all but one of those that it calls the same.
   */
  async #removeVolumes(): Promise<void> {
    const label = `label=com.docker.compose.project=${this.name}`;
    const volumes = await this.docker('volume', 'ls', '--quiet', '--filter', label);
    if (volumes) await this.docker('volume', 'rm', ...volumes.split('\n'));
  }
}
