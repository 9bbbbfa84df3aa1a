// One turn: a message and the reply to it, through outages and signing in again.

import { ask, createThread, Problem } from './api.js';
import { announce, element } from './dom.js';
import { notice, question, Reply } from './messages.js';

const MOST_ATTEMPTS = 5;
const LONGEST_TITLE = 60; // characters

/**
 * A message on its way to the agent, and the reply on its way back.
 *
 * Each attempt carries the same key, so that the conversation is made once, and the message is stored once and answered
 * once, however often they are sent.
 * Sends `start`, `thread` when its conversation has been made, `growth` when there is more to see, and `end`.
 */
export class Turn extends EventTarget {
  element = element('div', { class: 'turn' });
  /** `stopped` (or not started), `running`, `done` or `failed`. */
  state = 'stopped';
  #world;
  #stopping;
  #outcome = [];

  /**
   * @param said `message`, `thread` (a new conversation is made without it), `key` (of an earlier attempt)
   * @param world `agentName`, `presence`, and `signedIn`, which resolves once somebody has signed in again
   */
  constructor({ message, thread, key = newKey() }, world) {
    super();
    Object.assign(this, { message, thread, key });
    this.#world = world;
    this.element.append(question(message));
  }

  /** Ends the turn; the agent stops working on it. */
  stop() {
    this.#stopping?.abort();
  }

  /** Sends the message, again if need be, until there is a reply or no hope. */
  async run() {
    this.state = 'running';
    this.#stopping = new AbortController();
    this.dispatchEvent(new Event('start'));
    announce(`${this.#world.agentName} is answering`);
    try {
      await this.#insist(this.#stopping.signal);
      this.state = 'done';
      announce(`${this.#world.agentName} has answered`);
    } catch (error) {
      this.#giveUp(error);
    }
    this.dispatchEvent(new Event('end'));
  }

  /** Shows the turn as one that was stopped earlier. */
  showStopped() {
    this.#addNotice('Stopped.');
  }

  async #insist(signal) {
    for (let attempt = 1; ; attempt++) {
      const reply = new Reply(this.#world.agentName, () => this.#grown());
      this.#show(reply.element);
      reply.begin();
      try {
        await this.#attempt(reply, signal);
        return;
      } catch (error) {
        reply.end();
        if (!(error instanceof Problem) || attempt === MOST_ATTEMPTS) throw error;
        await this.#prepare(error, signal);
      }
    }
  }

  async #attempt(reply, signal) {
    if (!this.thread) {
      this.thread = (await createThread(titleOf(this.message), this.key, signal)).thread_id;
      this.dispatchEvent(new Event('thread'));
    }
    for await (const event of ask(this.thread, this.message, this.key, signal)) {
      if (event.type === 'token') reply.write(event.text);
      else if (event.type === 'tool') reply.addTool(event.result, event.name);
      else if (event.type === 'message') reply.complete(event.content, event.finish_reason);
    }
  }

  /** Waits for what another attempt needs; throws where there should be none. */
  async #prepare(problem, signal) {
    if (problem.status === 401) {
      await this.#world.signedIn(signal);
    } else if (problem.isOutage) {
      this.#add(
        element('p', { class: 'notice' }, 'No answer yet. Your message is sent again as soon as the agent is back.'),
      );
      await this.#world.presence.back(signal);
    } else {
      throw problem;
    }
  }

  #giveUp(error) {
    this.state = error.name === 'AbortError' ? 'stopped' : 'failed';
    if (this.state === 'stopped') this.#addNotice('Stopped.');
    else if (error instanceof Problem) this.#addNotice(error.message);
    else this.#addNotice('Something went wrong in this page.');
    if (!(error instanceof Problem) && this.state === 'failed') console.error(error);
  }

  #addNotice(text) {
    announce(text);
    this.#add(notice(text, 'Try again', () => this.run()));
  }

  /** Shows an element below the message, instead of what was there. */
  #show(shown) {
    for (const old of this.#outcome.splice(0)) old.remove();
    this.#add(shown);
  }

  #add(shown) {
    this.#outcome.push(shown);
    this.element.append(shown);
    this.#grown();
  }

  #grown() {
    this.dispatchEvent(new Event('growth'));
  }
}

/** A title for the conversation that a message begins. */
function titleOf(message) {
  const line = message.split('\n').find((found) => found.trim()) ?? '';
  const words = [...line.replace(/^[\s#>-]+|[*`]/g, '').trim()];
  if (words.length === 0) return 'Conversation';
  if (words.length <= LONGEST_TITLE) return words.join('');
  return `${words
    .slice(0, LONGEST_TITLE)
    .join('')
    .replace(/\s+\S*$/, '')}…`;
}

function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}
