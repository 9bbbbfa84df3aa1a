import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';

const MOST_SECONDS = 120;

/** What several callers said at once, each on a thread of its own, and what became of it. */
export class Traffic {
  readonly #client: Client;
  readonly #acknowledged = new Map<string, string[]>();
  readonly #workers: Promise<void>[];
  #running = true;

  private constructor(client: Client, threads: string[]) {
    this.#client = client;
    for (const thread of threads) this.#acknowledged.set(thread, []);
    this.#workers = threads.map((thread) => this.#talk(thread));
  }

  /** Starts `callers` callers, each of which says one thing after the other until `stop`. */
  static async start(client: Client, callers: number): Promise<Traffic> {
    const threads = await Promise.all(Array.from({ length: callers }, () => client.newThread()));
    return new Traffic(client, threads);
  }

  async #talk(thread: string): Promise<void> {
    const deadline = Date.now() + MOST_SECONDS * 1000;
    for (let turn = 0; this.#running && Date.now() < deadline; turn++) {
      const text = `turn ${turn} of ${thread}`;
      await this.#client.insist(thread, text);
      this.#acknowledged.get(thread)?.push(text);
      await sleep(20);
    }
  }

  /** What was acknowledged until now, by thread. */
  get acknowledged(): Map<string, string[]> {
    return new Map([...this.#acknowledged].map(([thread, texts]) => [thread, [...texts]]));
  }

  /**
   * Stops, and compares what was acknowledged with what is stored.
   *
   * @returns the number of turns that were sent, and of those the stored, the doubled and the lost.
   */
  async stop(): Promise<{ sent: number; stored: number; doubled: number; lost: number; ordered: boolean }> {
    this.#running = false;
    await Promise.all(this.#workers);
    const total = { sent: 0, stored: 0, doubled: 0, lost: 0, ordered: true };
    for (const [thread, texts] of this.#acknowledged) {
      const history = await this.#client.history(thread);
      const questions = history.filter(({ role }) => role === 'user').map(({ content }) => content);
      const replies = history.filter(({ role }) => role === 'assistant').map(({ content }) => content);
      total.sent += texts.length;
      total.stored += new Set(questions).size;
      total.doubled += questions.length - new Set(questions).size + Math.max(0, replies.length - questions.length);
      total.lost += texts.filter((text) => !questions.includes(text)).length;
      total.lost += texts.filter((text) => !replies.some((reply) => reply.includes(text))).length;
      total.ordered &&= questions.join('\n') === texts.join('\n');
    }
    return total;
  }
}
