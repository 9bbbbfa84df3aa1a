import type { Stack } from '../test/support/docker.ts';
import type { Target } from './load.ts';

const PATIENCE = 30_000; // milliseconds for one call

/** A caller of the agent itself, as an interface is one. */
export class AgentClient {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  /** `base` is where one of several agents answers. */
  constructor(stack: Stack, owner = 'bench', base = `http://127.0.0.1:${stack.setting('AGENT_PORT')}`) {
    this.#base = base;
    this.#headers = {
      Authorization: `Bearer ${stack.setting('AGENT_TOKEN')}`,
      'X-Thread-Owner': owner,
      'Content-Type': 'application/json',
    };
  }

  async #send(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(this.#base + path, {
      method,
      headers: this.#headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  async #call<Body>(method: string, path: string, body?: object): Promise<Body> {
    return (await (await this.#send(method, path, body)).json()) as Body;
  }

  /** Turns to be asked for over and over, with these bodies. */
  target(body: Target['body']): Target {
    return { url: `${this.#base}/invoke`, headers: this.#headers, body };
  }

  /** How many turns it has answered since it started. */
  async turns(): Promise<number> {
    const metrics = await (await this.#send('GET', '/metrics')).text();
    const counts = metrics.matchAll(/^agent_turns_total\S* (\S+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async newThread(): Promise<string> {
    return (await this.#call<{ thread_id: string }>('POST', '/threads', {})).thread_id;
  }

  async say(thread: string, message: string): Promise<void> {
    await this.#call('POST', '/invoke', { message, thread_id: thread });
  }

  /** The ids of a page of threads, newest first: from the newest, or from the one made before the thread `before`. */
  async threads(limit: number, before?: string): Promise<string[]> {
    const query = `limit=${limit}${before ? `&before=${before}` : ''}`;
    const page = await this.#call<{ data: { thread_id: string }[] }>('GET', `/threads?${query}`);
    return page.data.map((thread) => thread.thread_id);
  }

  /** How many messages the thread has, counted page by page. */
  async count(thread: string): Promise<number> {
    let count = 0;
    for (let before = ''; ; ) {
      const page: { data: { id: number }[]; has_more: boolean } = await this.#call(
        'GET',
        `/threads/${thread}/messages?limit=200${before}`,
      );
      count += page.data.length;
      if (!page.has_more) return count;
      before = `&before=${page.data[0]?.id}`;
    }
  }
}
