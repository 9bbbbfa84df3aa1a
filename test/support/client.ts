import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from './docker.ts';

export interface Message {
  readonly role: string;
  readonly content: string;
}

/** What came back, or status 0 where the connection failed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into bodies of many shapes
  readonly body: any;
}

/** A caller of the API interface, with one of its keys. */
export class Client {
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(stack: Stack, key = 0) {
    this.base = `http://127.0.0.1:${stack.setting('INTERFACE_PORT')}`;
    const secret = stack.setting('API_KEYS').split(',')[key]?.split(':')[1] ?? '';
    this.headers = { Authorization: `Bearer ${secret}` };
  }

  async call(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
    try {
      const response = await fetch(this.base + path, {
        method,
        headers: { ...this.headers, 'Content-Type': 'application/json', ...headers },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(60_000),
      });
      const text = await response.text();
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      const answer = isStream ? lastWord(text) : { status: response.status, body: text ? JSON.parse(text) : undefined };
      return { headers: response.headers, ...answer };
    } catch {
      return { status: 0, headers: new Headers(), body: undefined };
    }
  }

  async newThread(): Promise<string> {
    const { status, body } = await this.call('POST', '/v1/threads', {});
    if (status !== 201) throw new Error(`no thread: ${status}`);
    return body.thread_id;
  }

  say(thread: string, message: string, key: string = randomUUID(), stream = false): Promise<Answer> {
    return this.call('POST', `/v1/threads/${thread}/messages`, { message, stream }, { 'Idempotency-Key': key });
  }

  /** Says it again with the same key until it is answered, at most for `seconds`. */
  async insist(thread: string, message: string, seconds = 60): Promise<string> {
    const key = randomUUID();
    for (const deadline = Date.now() + seconds * 1000; ; await sleep(200)) {
      const { status, body } = await this.say(thread, message, key);
      if (status === 200) return body.reply;
      if (![0, 409, 502, 503].includes(status)) throw new Error(`${message}: ${status} ${JSON.stringify(body)}`);
      if (Date.now() > deadline) throw new Error(`${message}: no answer within ${seconds} s, last ${status}`);
    }
  }

  /** All of a thread, oldest first, read page by page. */
  async history(thread: string): Promise<Message[]> {
    const pages: Message[][] = [];
    for (let before = ''; ; ) {
      const { status, body } = await this.call('GET', `/v1/threads/${thread}/messages?limit=50${before}`);
      if (status !== 200) throw new Error(`history: ${status}`);
      pages.unshift(body.data);
      if (!body.has_more) return pages.flat();
      before = `&before=${body.data[0].id}`;
    }
  }
}

/** What a stream of events comes to: the reply, the refusal that took its place, or a connection that broke. */
function lastWord(events: string): Pick<Answer, 'status' | 'body'> {
  const [, data] = /^event: (?:message|error)\ndata: (.*)$/m.exec(events) ?? [];
  if (!data || !events.endsWith('data: [DONE]\n\n')) return { status: 0, body: undefined };
  const { content, status = 200, detail } = JSON.parse(data);
  return { status, body: { reply: content, detail } };
}
