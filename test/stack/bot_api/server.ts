import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const LONGEST_TEXT = 4096; // UTF-16 code units, of which a JavaScript string consists
export const ME = { id: 4242424242, is_bot: true, first_name: 'Stack', username: 'StackTestBot' };

/**
 * How a call fails: `429`, `502` and `409` are answers instead of the right one, `reset` closes the connection before
 * anything was done, and `timeout` does what it was asked for and never says so.
 */
export type Fault = '429' | '502' | '409' | 'reset' | 'timeout';

interface Rule {
  readonly method: string;
  readonly fault: Fault;
  /** Every so many calls of the method. */
  readonly every: number;
  left: number;
}

interface Entity {
  readonly type: string;
  readonly offset: number;
  readonly length: number;
  readonly url?: string;
}

/** A message of the bot's, as it stands in the chat. */
export interface Shown {
  readonly id: number;
  readonly text: string;
  readonly entities: readonly Entity[];
}

export interface Call {
  readonly method: string;
  readonly at: number;
  readonly chat: number;
  // biome-ignore lint/suspicious/noExplicitAny: the parameters of many methods
  readonly parameters: any;
}

type Update = { readonly update_id: number; readonly message: object };

/** What Telegram's own server answers instead of a result. */
class Refusal extends Error {
  readonly status: number;
  readonly parameters: object;

  constructor(status: number, description: string, parameters = {}) {
    super(description);
    this.status = status;
    this.parameters = parameters;
  }
}

/** A Bot API server that keeps updates until they are confirmed, lets one process poll, and fails by plan. */
export class BotApi {
  token: string;
  readonly calls: Call[] = [];
  /** How often each fault was injected, by `method fault`. */
  readonly injected = new Map<string, number>();
  readonly #chats = new Map<number, Map<number, Shown>>();
  readonly #pending = new Map<number, Update>();
  readonly #delivered = new Map<number, Update>();
  readonly #moved = new Map<number, number>();
  readonly #flooded = new Map<number, number>();
  readonly #counts = new Map<string, number>();
  #rules: Rule[] = [];
  #server!: Server;
  #poll = 0;
  #webhook = '';
  #lastUpdate = 700_000_000;
  #lastMessage = 0;

  constructor(token: string) {
    this.token = token;
  }

  /** Listens on a free port of an address of this machine; the port. */
  async start(host: string): Promise<number> {
    this.#server = createServer((request, response) => void this.#handle(request, response));
    await new Promise<void>((resolve, reject) => this.#server.on('error', reject).listen(0, host, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Delivers a message to the bot; a negative chat is a group, in which the bot is mentioned. The update's number. */
  say(chat: number, text: string, more: object = {}): number {
    const user = { id: Math.abs(chat), is_bot: false, first_name: 'Somebody' };
    const inGroup = chat < 0;
    const mention = `@${ME.username}`;
    const entities = inGroup ? [{ type: 'mention', offset: 0, length: mention.length }] : [];
    if (text.startsWith('/')) entities.push({ type: 'bot_command', offset: 0, length: text.length });
    const message = {
      message_id: ++this.#lastMessage,
      date: Math.floor(Date.now() / 1000),
      from: user,
      chat: inGroup ? { id: chat, type: 'supergroup', title: 'Group' } : { id: chat, type: 'private' },
      text: inGroup ? `${mention} ${text}` : text,
      entities,
      ...more,
    };
    return this.#deliver({ message });
  }

  /** Makes a group a supergroup, and tells the bot so in both. */
  migrate(group: number, supergroup: number): void {
    this.#moved.set(group, supergroup);
    const head = () => ({ message_id: ++this.#lastMessage, date: Math.floor(Date.now() / 1000) });
    const chats = [group, supergroup].map((id) => ({ id, type: 'supergroup', title: 'Group' }));
    this.#deliver({ message: { ...head(), chat: chats[0], migrate_to_chat_id: supergroup } });
    this.#deliver({ message: { ...head(), chat: chats[1], migrate_from_chat_id: group } });
  }

  /** Takes no message of the bot to a chat for so many seconds; 0 takes them again. */
  flood(chat: number, seconds: number): void {
    this.#flooded.set(chat, seconds);
  }

  #deliver(content: { readonly message: object }): number {
    const update = { update_id: ++this.#lastUpdate, ...content };
    this.#pending.set(update.update_id, update);
    return update.update_id;
  }

  /** Delivers an update again that was confirmed already. */
  redeliver(update: number): void {
    const found = this.#delivered.get(update);
    if (!found) throw new Error(`update ${update} was never confirmed`);
    this.#pending.set(update, found);
    this.#count('getUpdates redelivery');
  }

  /** What the bot has written in a chat, the oldest first. */
  shown(chat: number): Shown[] {
    return [...(this.#chats.get(chat)?.values() ?? [])];
  }

  /** How many updates wait for their confirmation. */
  get unconfirmed(): number {
    return this.#pending.size;
  }

  /** Lets a method fail so many times, every so many calls. */
  plan(method: string, fault: Fault, every: number, times: number): void {
    this.#rules.push({ method, fault, every, left: times });
  }

  #count(what: string): void {
    this.injected.set(what, (this.injected.get(what) ?? 0) + 1);
  }

  /** The fault that is due for this call. */
  #due(method: string): Fault | undefined {
    const count = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, count);
    const rule = this.#rules.find((found) => found.method === method && found.left > 0 && count % found.every === 0);
    if (!rule) return undefined;
    rule.left--;
    this.#count(`${method} ${rule.fault}`);
    return rule.fault;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      return; // its sender was killed meanwhile
    }
    const [, token, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? '') ?? [];
    const parameters = Object.fromEntries(
      [...new URLSearchParams(body)].map(([name, text]) => [name, value(name, text)]),
    );
    this.calls.push({ method, at: performance.now(), chat: Number(parameters.chat_id), parameters });
    const reply = (status: number, data: object) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(data));
    try {
      if (token !== this.token) throw new Refusal(401, 'Unauthorized');
      const fault = this.#due(method);
      if (fault === 'reset') {
        request.socket.destroy();
        return;
      }
      if (fault === '429') throw tooMany(1);
      if (fault === '409') throw conflict();
      if (fault === '502') {
        response.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
        return;
      }
      const result = await this.#carryOut(method, parameters, () => response.destroyed);
      if (fault !== 'timeout') reply(200, { ok: true, result });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, message, parameters: more } = error;
      reply(status, { ok: false, error_code: status, description: message, parameters: more });
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the parameters of many methods
  async #carryOut(method: string, parameters: any, isGone: () => boolean): Promise<unknown> {
    switch (method) {
      case 'getMe':
        return ME;
      case 'getUpdates':
        return this.#updates(parameters, isGone);
      case 'sendMessage':
        this.#checkChat(parameters.chat_id);
        return this.#show(parameters, ++this.#lastMessage);
      case 'editMessageText':
        return this.#edit(parameters);
      case 'deleteMessage':
        return this.#chats.get(parameters.chat_id)?.delete(parameters.message_id);
      case 'setWebhook':
        this.#webhook = parameters.url;
        return true;
      case 'deleteWebhook':
        this.#webhook = '';
        return true;
      case 'sendChatAction':
      case 'setMyCommands':
        return true;
      default:
        throw new Refusal(404, 'Not Found');
    }
  }

  /** Confirms what is before the offset and waits for what comes after it. A newer call ends this one. */
  async #updates(
    { offset = 0, limit = 100, timeout = 0 }: { offset?: number; limit?: number; timeout?: number },
    isGone: () => boolean,
  ): Promise<Update[]> {
    if (this.#webhook) throw new Refusal(409, "Conflict: can't use getUpdates method while webhook is active");
    const poll = ++this.#poll;
    for (const [number, update] of this.#pending) {
      if (number >= offset) continue;
      this.#pending.delete(number);
      this.#delivered.set(number, update);
    }
    for (const deadline = Date.now() + timeout * 1000; this.#pending.size === 0 && Date.now() < deadline; ) {
      await sleep(20);
      if (isGone()) break;
      if (poll !== this.#poll) throw conflict();
    }
    return [...this.#pending.values()].sort((a, b) => a.update_id - b.update_id).slice(0, limit);
  }

  #checkChat(chat: number): void {
    const supergroup = this.#moved.get(chat);
    if (supergroup) {
      const description = 'Bad Request: group chat was upgraded to a supergroup chat';
      throw new Refusal(400, description, { migrate_to_chat_id: supergroup });
    }
    const seconds = this.#flooded.get(chat);
    if (seconds) throw tooMany(seconds);
  }

  #edit(parameters: { chat_id: number; message_id: number; text: string; entities?: Entity[] }): object {
    const before = this.#chats.get(parameters.chat_id)?.get(parameters.message_id);
    if (!before) throw new Refusal(400, 'Bad Request: message to edit not found');
    const { text, entities } = before;
    if (JSON.stringify([text, entities]) === JSON.stringify([parameters.text, parameters.entities ?? []])) {
      throw new Refusal(400, 'Bad Request: message is not modified');
    }
    return this.#show(parameters, parameters.message_id);
  }

  #show({ chat_id: chat, text, entities = [] }: { chat_id: number; text: string; entities?: Entity[] }, id: number) {
    const shown = { id, text, entities };
    checkText(shown);
    const messages = this.#chats.get(chat) ?? new Map<number, Shown>();
    this.#chats.set(chat, messages.set(id, shown));
    return { message_id: id, date: Math.floor(Date.now() / 1000), chat: { id: chat, type: 'private' }, ...shown };
  }
}

function checkText({ text, entities }: Shown): void {
  if (text.trim() === '') throw new Refusal(400, 'Bad Request: message text is empty');
  if (text.length > LONGEST_TEXT) throw new Refusal(400, 'Bad Request: message is too long');
  if (!isWellFormed(text)) throw new Refusal(400, 'Bad Request: strings must be encoded in UTF-8');
  for (const { offset, length } of entities) {
    const covered = text.slice(offset, offset + length);
    if (length < 1 || covered.length !== length || !isWellFormed(covered)) {
      throw new Refusal(400, 'Bad Request: ENTITY_BOUNDS_INVALID');
    }
  }
}

/** Whether no half of a surrogate pair stands alone. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

function tooMany(seconds: number): Refusal {
  return new Refusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
}

function conflict(): Refusal {
  return new Refusal(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot runs');
}

/** A parameter of a form: JSON, unless it is text. */
function value(name: string, text: string): unknown {
  return name === 'text' || name === 'url' || name === 'action' ? text : JSON.parse(text);
}
