import assert from 'node:assert/strict';
import type { Stack } from './docker.ts';

/** What an agent behind a bot remembers, as its own API shows it. */
export class ChatMemory {
  readonly #stack: Stack;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes
  async #get(chat: number | string, place: string): Promise<any> {
    const response = await fetch(`http://127.0.0.1:${this.#stack.setting('AGENT_PORT')}${place}`, {
      headers: { Authorization: `Bearer ${this.#stack.setting('AGENT_TOKEN')}`, 'X-Thread-Owner': `telegram:${chat}` },
    });
    assert.equal(response.status, 200, `${place}: ${response.status}`);
    return response.json();
  }

  /** What a chat's messages and their answers are, in the order of its threads. */
  async said(chat: number | string): Promise<{ role: string; content: string }[]> {
    const threads = (await this.#get(chat, '/threads?limit=200')).data.reverse();
    const found = [];
    for (const { thread_id } of threads) {
      const pages = [];
      for (let before = ''; ; ) {
        const { data, has_more } = await this.#get(chat, `/threads/${thread_id}/messages?limit=200${before}`);
        pages.unshift(data);
        if (!has_more) break;
        before = `&before=${data[0].id}`;
      }
      found.push(...pages.flat());
    }
    return found;
  }

  /** How many messages a bot has set aside: confirmed to Telegram, and not answered yet. */
  async setAside(bot: number): Promise<number> {
    return (await this.#get(`bot${bot}`, '/threads?limit=200')).data.length;
  }

  async questions(chat: number | string): Promise<string[]> {
    return (await this.said(chat)).filter(({ role }) => role === 'user').map(({ content }) => content);
  }
}
