import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';

const MOST_SECONDS = 120;

interface Turn {
  readonly question: string;
  readonly reply: string;
}

/** One conversation, and what was acknowledged in it. */
interface Conversation {
  readonly client: Client;
  readonly thread: string;
  readonly turns: Turn[];
  sent: number;
  /** When the newest acknowledgement came, by `performance.now()`. */
  heard: number;
}

/** What was said, and what became of it. */
export interface Tally {
  readonly sent: number;
  readonly acknowledged: number;
  /** Acknowledged, and not stored as it was acknowledged. */
  readonly lost: number;
  /** Questions and replies that are stored more than once. */
  readonly doubled: number;
  /** Whether each thread holds its questions in the order in which they were sent, each before its reply. */
  readonly ordered: boolean;
}

/** Several callers who say one thing after the other at once, each with a key under which it is said until it is heard. */
export class Traffic {
  /** How often each status came; 0 is a connection that failed. */
  readonly statuses = new Map<number, number>();
  readonly #conversations: Conversation[];
  readonly #pause: number;
  readonly #workers: Promise<void>[];
  #running = true;

  private constructor(conversations: Conversation[], pause: number) {
    this.#conversations = conversations;
    this.#pause = pause;
    this.#workers = conversations.map((conversation) => this.#talk(conversation));
  }

  /**
   * Starts to talk, until `stop`.
   *
   * @param clients who talk.
   * @param threads how many threads each of them has.
   * @param pause milliseconds between an answer and the next question of a thread.
   */
  static async start(clients: readonly Client[], threads: number, pause = 20): Promise<Traffic> {
    const all = clients.flatMap((client) => Array.from({ length: threads }, () => client));
    const conversations = all.map(async (client) => {
      return { client, thread: await begin(client), turns: [], sent: 0, heard: 0 };
    });
    return new Traffic(await Promise.all(conversations), pause);
  }

  /** The questions that were acknowledged until now, by thread. */
  get acknowledged(): Map<string, string[]> {
    return new Map(
      this.#conversations.map(({ thread, turns }) => [thread, turns.map(({ question }) => question)] as const),
    );
  }

  async #talk(conversation: Conversation): Promise<void> {
    const { thread, turns } = conversation;
    const deadline = Date.now() + MOST_SECONDS * 1000;
    while (this.#running && Date.now() < deadline) {
      const question = `turn ${conversation.sent++} of ${thread}`;
      const reply = await this.#insist(conversation, question);
      if (reply === undefined) return;
      turns.push({ question, reply });
      conversation.heard = performance.now();
      await sleep(this.#pause);
    }
  }

  /** The reply, asked for with one key until it comes; nothing where it does not within a minute. */
  async #insist({ client, thread, sent }: Conversation, question: string): Promise<string | undefined> {
    const key = randomUUID();
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(200)) {
      const { status, body } = await client.say(thread, question, key, sent % 3 === 0);
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      if (status === 200) return body.reply;
    }
    return undefined;
  }

  /** Waits until every thread has been answered after `since`; the seconds after which the last one was. */
  async answered(since: number, patience: number): Promise<number> {
    const waiting = new Set(this.#conversations);
    let last = since;
    for (const deadline = performance.now() + patience * 1000; waiting.size > 0; await sleep(20)) {
      for (const conversation of waiting) {
        if (conversation.heard <= since) continue;
        waiting.delete(conversation);
        last = Math.max(last, conversation.heard);
      }
      if (performance.now() > deadline) {
        throw new Error(`${waiting.size} of ${this.#conversations.length} threads are not answered in ${patience} s`);
      }
    }
    return (last - since) / 1000;
  }

  /** Stops, when everybody has been heard or has given up. */
  async end(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  /** Deletes all threads, so that those of the next load find what these have found. */
  async forget(): Promise<void> {
    for (const { client, thread } of this.#conversations) await client.call('DELETE', `/v1/threads/${thread}`);
  }

  /** Stops, and compares what was acknowledged with what is stored. */
  async stop(): Promise<Tally> {
    await this.end();
    const total = { sent: 0, acknowledged: 0, lost: 0, doubled: 0, ordered: true };
    for (const { client, thread, turns, sent } of this.#conversations) {
      const stored = (await client.history(thread)).map(({ role, content }) => `${role}: ${content}`);
      const expected = turns.flatMap(({ question, reply }) => [`user: ${question}`, `assistant: ${reply}`]);
      total.sent += sent;
      total.acknowledged += turns.length;
      total.lost += expected.filter((message) => !stored.includes(message)).length;
      total.doubled += stored.length - new Set(stored).size;
      total.ordered &&= stored.slice(0, expected.length).join('\n') === expected.join('\n');
    }
    return total;
  }
}

/** A new thread, asked for until there is one: a database that has just started may be slow. */
async function begin(client: Client): Promise<string> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(200)) {
    const thread = await client.newThread().catch(() => undefined);
    if (thread) return thread;
  }
  return client.newThread();
}
