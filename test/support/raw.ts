import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A connection to a port of this machine, on which bytes are sent that no HTTP client would send. */
export class Raw {
  readonly socket: Socket;
  #received = '';
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined); // the other side may end it at any time
    socket.on('close', () => {
      this.#closed = true;
    });
  }

  static async open(port: number): Promise<Raw> {
    const socket = connect(port, '127.0.0.1');
    const raw = new Raw(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return raw;
  }

  /** Starts to read; without it nothing is. */
  read(): this {
    this.socket.on('data', (data) => {
      this.#received += data.toString('latin1');
    });
    return this;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** What has come once `pattern` has, or the connection is closed, or nothing comes for `seconds`. */
  async until(pattern: RegExp, seconds: number): Promise<string> {
    for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline && !this.#closed; await sleep(20)) {
      if (pattern.test(this.#received)) break;
    }
    return this.#received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Sends bytes, and gives the status of the answer: 0 where there is none. */
export async function statusOf(port: number, bytes: Buffer | string): Promise<number> {
  const raw = (await Raw.open(port)).read();
  raw.socket.write(bytes);
  const answer = await raw.until(/\r\n\r\n/, 10);
  raw.close();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
}
