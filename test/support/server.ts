import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import path from 'node:path';
import { execute, type Finished } from './execute.ts';

/** What a rented server has beyond the bare system, and what the tests need on it. */
const IMAGE = `
FROM debian:trixie-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \\
    systemd openssh-server openssh-client ca-certificates gnupg apt-utils busybox-static >/dev/null
`;

/** A fresh Debian 13 in a container: a server but for systemd, which does not run there. */
export class Server {
  readonly #id: string;
  readonly #image: string;
  readonly address: string;

  private constructor(id: string, image: string, address: string) {
    this.#id = id;
    this.#image = image;
    this.address = address;
  }

  /** Starts one, with a file of one's own in the place of each of its files that is named. */
  static async start(files: Record<string, string>): Promise<Server> {
    const image = `three-tier-server-${randomBytes(4).toString('hex')}`;
    await docker(['build', '--quiet', '--tag', image, '-'], IMAGE);
    const mounts = Object.entries(files).flatMap(([place, file]) => ['--volume', `${file}:${place}:ro`]);
    const options = ['--detach', '--init', '--privileged', '--volume', '/var/lib/docker', ...mounts];
    const id = await docker(['run', ...options, image, 'sleep', 'infinity']);
    const address = await docker(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', id]);
    return new Server(id, image, address);
  }

  /** Copies a folder into the folder `place`. */
  async receive(folder: string, place: string): Promise<void> {
    await this.bash(`mkdir -p ${place}`);
    await docker(['cp', folder, `${this.#id}:${place}/`]);
    await this.bash(`chown -R root: ${place}/${path.basename(folder)}`);
  }

  /** Runs a command, whatever its outcome. */
  run(...command: string[]): Promise<Finished> {
    return execute('/', 'docker', ['exec', this.#id, ...command]);
  }

  /** Runs a script in bash; fails where one of its commands does. What it prints. */
  bash(script: string): Promise<string> {
    return docker(['exec', '--interactive', this.#id, 'bash', '-euo', 'pipefail', '-s'], script);
  }

  /** Whether somebody outside can open a connection to the port. */
  lets(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = createConnection({ host: this.address, port, timeout: 1500 });
      const end = (open: boolean) => {
        socket.destroy();
        resolve(open);
      };
      socket.on('connect', () => end(true));
      socket.on('timeout', () => end(false));
      socket.on('error', () => end(false));
    });
  }

  async remove(): Promise<void> {
    await docker(['rm', '--force', '--volumes', this.#id]);
    await docker(['image', 'rm', this.#image]);
  }
}

async function docker(args: readonly string[], input = ''): Promise<string> {
  const { status, stdout, output } = await execute('/', 'docker', args, input);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${output}`);
  return stdout.trim();
}
