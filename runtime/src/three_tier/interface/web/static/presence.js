// Whether server and agent are there: asked now and then, and more often while they are not.

import { getAgent, Problem } from './api.js';

const EVERY = 15_000; // milliseconds
const EVERY_WHILE_AWAY = 2000;

/** Sends `change` when `state` or `agent` may be another. */
export class Presence extends EventTarget {
  /** `unknown`, `here`, `away` (the agent) or `unreachable` (the server). */
  state = 'unknown';
  /** What the server says of the agent. */
  agent = { connected: false, complaint: '', offline: false, suggestions: [] };
  #timer;

  /** Looks now, and from now on. */
  async watch() {
    this.pause();
    try {
      this.agent = await getAgent();
      this.#set(this.agent.connected ? 'here' : 'away');
    } catch (error) {
      if (error.status === 401) return; // whoever signs in starts it again
      if (!(error instanceof Problem)) throw error;
      this.#set('unreachable');
    }
    this.pause();
    this.#timer = setTimeout(() => this.watch(), this.state === 'here' ? EVERY : EVERY_WHILE_AWAY);
  }

  pause() {
    clearTimeout(this.#timer);
  }

  /** Resolves when server and agent are there again. Rejects when `signal` aborts. */
  async back(signal) {
    signal.throwIfAborted();
    if (this.state === 'here') this.#set('away');
    this.pause();
    this.#timer = setTimeout(() => this.watch(), EVERY_WHILE_AWAY / 2);
    await new Promise((resolve, reject) => {
      this.addEventListener('change', () => this.state === 'here' && resolve(), { signal });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  #set(state) {
    this.state = state;
    this.dispatchEvent(new Event('change'));
  }
}
