import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execute } from '../support/execute.ts';
import { rootCommand } from '../support/root.ts';

/** Runs a program as root: what is done to containers from outside is no user's business. */
export async function asRoot(program: string, ...args: string[]): Promise<string> {
  const { status, stdout, output } = await execute('/', ...rootCommand(program, ...args));
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}`);
  return stdout.trim();
}

/** A small disk of its own, in a file, so that filling it fills nothing else. */
export class Disk {
  /** An empty folder on the disk. */
  readonly data: string;
  readonly #mount: string;
  readonly #image: string;

  private constructor(name: string) {
    this.#mount = path.join(tmpdir(), `three-tier-disk-${name}`);
    this.#image = `${this.#mount}.img`;
    this.data = path.join(this.#mount, 'data');
  }

  /**
   * Makes a disk. What an interrupted run left under its name is removed first.
   *
   * @param name of the disk on this machine.
   * @param megabytes it has.
   * @param owner of the folder, as `uid:gid`.
   */
  static async make(name: string, megabytes: number, owner: string): Promise<Disk> {
    const disk = new Disk(name);
    await disk.remove();
    mkdirSync(disk.#mount);
    await asRoot('truncate', '--size', `${megabytes}M`, disk.#image);
    await asRoot('mkfs.ext4', '-q', '-m', '0', disk.#image);
    await asRoot('mount', '-o', 'loop', disk.#image, disk.#mount);
    await asRoot('mkdir', disk.data);
    await asRoot('chown', owner, disk.data);
    return disk;
  }

  /** Takes all that is left of the disk. */
  async fill(): Promise<void> {
    const fill = `! cat /dev/zero 2>/dev/null >>'${this.#mount}/ballast'`;
    await asRoot('sh', '-c', `${fill}; sync; ${fill}`); // what was only reserved is free again once it is written
  }

  async free(): Promise<void> {
    await asRoot('rm', '--force', `${this.#mount}/ballast`);
  }

  async remove(): Promise<void> {
    const mounted = await execute('/', 'mountpoint', ['--quiet', this.#mount]);
    if (mounted.status === 0) await asRoot('umount', this.#mount);
    rmSync(this.#mount, { recursive: true, force: true });
    await asRoot('rm', '--force', this.#image);
  }
}
