import type { Answer, Client } from './client.ts';
import { until } from './docker.ts';

const MOST_SECONDS = 120;

/** Callers who ask one thing after the other, each only once, and note what was not answered. */
export class Load {
  readonly #workers: Promise<void>[];
  readonly #failures: Answer[] = [];
  #answers = 0;
  #running = true;
  /** Seconds that the slowest answer took. */
  slowest = 0;

  private constructor(client: Client, threads: string[]) {
    this.#workers = threads.map((thread) => this.#ask(client, thread));
  }

  static async start(client: Client, callers: number): Promise<Load> {
    return new Load(client, await Promise.all(Array.from({ length: callers }, () => client.newThread())));
  }

  async #ask(client: Client, thread: string): Promise<void> {
    const deadline = Date.now() + MOST_SECONDS * 1000;
    for (let turn = 0; this.#running && Date.now() < deadline; turn++) {
      const start = performance.now();
      const answer = await client.say(thread, `turn ${turn}`);
      this.slowest = Math.max(this.slowest, (performance.now() - start) / 1000);
      if (answer.status === 200) this.#answers++;
      else this.#failures.push(answer);
    }
  }

  /** Waits for so many more answers. */
  async answered(count: number): Promise<void> {
    const goal = this.#answers + count;
    await until(`${count} more answers`, 60, async () => this.#answers >= goal);
  }

  /** Ends it; what was answered with anything but 200. */
  async stop(): Promise<Answer[]> {
    this.#running = false;
    await Promise.all(this.#workers);
    return this.#failures;
  }
}
