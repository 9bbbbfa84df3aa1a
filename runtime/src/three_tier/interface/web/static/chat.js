// The conversation on the right: its messages, page by page, and the box to write in.

import { listMessages, Problem } from './api.js';
import { byId, element } from './dom.js';
import { notice, question, Reply, tool } from './messages.js';
import { Turn } from './turn.js';

const LONGEST_MESSAGE = 32_000; // characters
const NEAR_THE_END = 80; // pixels
const TOUCH = matchMedia('(hover: none)'); // the keyboard covers half the page, and its Enter is for new lines

export class Chat extends EventTarget {
  /** The id of the conversation that is shown; undefined for one that has not begun. */
  thread;
  #world;
  #turns = new Map(); // by conversation: those that run go on while another conversation is looked at
  #turn;
  #oldest;
  #follows = true;
  #scroller = byId('scroller');
  #messages = byId('messages');
  #input = byId('message');

  /** @param world what turns need, see turn.js */
  constructor(world) {
    super();
    this.#world = world;
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send(this.#input.value);
    });
    byId('stop').addEventListener('click', () => this.#turn?.stop());
    byId('earlier').addEventListener('click', () => this.#loadEarlier());
    byId('to-end').addEventListener('click', () => this.#scrollToEnd());
    byId('suggestions').addEventListener('click', ({ target }) => {
      if (target instanceof HTMLButtonElement) this.#send(target.textContent);
    });
    this.#input.addEventListener('input', () => this.#fitInput());
    this.#input.addEventListener('keydown', (event) => this.#handleKey(event));
    this.#scroller.addEventListener('scroll', () => this.#noticeScroll(), { passive: true });
    new ResizeObserver(() => this.#follows && this.#scrollToEnd()).observe(this.#scroller);
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) this.#turn?.stop();
    });
  }

  /** Shows a conversation, or an empty one. */
  async open(thread) {
    this.thread = thread;
    this.#messages.replaceChildren();
    this.#oldest = undefined;
    this.complain('');
    this.#take(this.#turns.get(thread));
    this.#showState();
    if (!TOUCH.matches) this.#input.focus({ preventScroll: true });
    if (!thread) return;
    await this.#load();
    this.#scrollToEnd();
  }

  /** Offers texts as the first message of a conversation. */
  suggest(texts) {
    const place = byId('suggestions');
    if (place.children.length === texts.length) return; // they do not change, and one of them may have the focus
    place.replaceChildren(...texts.map((text) => element('button', { type: 'button' }, text)));
  }

  async #load() {
    const { thread } = this;
    try {
      const { data, has_more: hasMore } = await listMessages(thread);
      if (thread !== this.thread) return;
      this.#show(data, hasMore);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (thread !== this.thread || error.status === 401) return;
      const text = error.status === 404 ? 'There is no such conversation. It may have been deleted.' : error.message;
      this.#messages.replaceChildren(notice(text, 'Try again', () => this.open(thread)));
      if (!error.isOutage) return;
      await this.#world.presence.back(new AbortController().signal);
      if (thread === this.thread) await this.open(thread);
    }
  }

  #show(data, hasMore) {
    const last = data.at(-1);
    const turn = this.#turns.get(this.thread) ?? this.#resumed(last);
    const stored = turn && last?.role === 'user' && last.content === turn.message ? data.slice(0, -1) : data;
    this.#messages.replaceChildren(...stored.map((message) => this.#element(message)));
    this.#oldest = data[0]?.id;
    byId('earlier').hidden = !hasMore;
    this.#take(turn);
    if (!turn && last?.role === 'user') {
      this.#messages.append(notice('There is no reply to this yet.', 'Send it again', () => this.#send(last.content)));
    }
    this.#showState();
  }

  /** The turn that this tab began before it was loaded again, if it has no reply yet. */
  #resumed(last) {
    const known = JSON.parse(sessionStorage.getItem(`turn ${this.thread}`));
    if (!known || last?.role !== 'user' || last.content !== known.message) return undefined;
    const turn = this.#begin({ ...known, thread: this.thread });
    if (known.stopped) {
      this.#remember(turn);
      turn.showStopped();
    } else {
      turn.run();
    }
    return turn;
  }

  #element({ role, content, finish_reason: finishReason }) {
    if (role === 'user') return question(content);
    if (role === 'tool') return tool(content);
    const reply = new Reply(this.#world.agentName);
    reply.complete(content, finishReason);
    return reply.element;
  }

  async #loadEarlier() {
    const { thread } = this;
    const button = byId('earlier');
    button.disabled = true;
    try {
      const { data, has_more: hasMore } = await listMessages(thread, this.#oldest);
      if (thread !== this.thread) return;
      const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
      this.#messages.prepend(...data.map((message) => this.#element(message)));
      this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
      this.#oldest = data[0]?.id ?? this.#oldest;
      button.hidden = !hasMore;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.complain(error.message);
    } finally {
      button.disabled = false;
    }
  }

  // Turns

  #send(text) {
    const message = text.trim();
    const length = [...message].length;
    if (!message || this.#isRunning) return;
    if (length > LONGEST_MESSAGE) {
      const [longest, is] = [LONGEST_MESSAGE, length].map((number) => number.toLocaleString('en'));
      this.complain(`A message has at most ${longest} characters, and this one has ${is}.`);
      return;
    }
    this.complain('');
    this.#messages.querySelector(':scope > .notice')?.remove();
    if (text === this.#input.value) this.#input.value = '';
    this.#fitInput();
    const turn = this.#begin({ message, thread: this.thread });
    this.#take(turn);
    turn.run();
    this.#scrollToEnd();
  }

  #begin(said) {
    const turn = new Turn(said, this.#world);
    turn.addEventListener('start', () => {
      this.#remember(turn);
      this.#showState();
    });
    turn.addEventListener('thread', () => {
      this.#remember(turn);
      if (turn !== this.#turn) return;
      this.thread = turn.thread;
      this.dispatchEvent(new Event('begun'));
    });
    turn.addEventListener('growth', () => {
      if (turn === this.#turn && this.#follows) this.#scrollToEnd();
    });
    turn.addEventListener('end', () => {
      if (turn.state === 'done') {
        this.#turns.delete(turn.thread);
        sessionStorage.removeItem(`turn ${turn.thread}`);
      } else {
        this.#remember(turn);
      }
      this.#showState();
      this.dispatchEvent(new Event('answered'));
    });
    return turn;
  }

  /** Keeps what it takes to go on with a turn: here, and in the tab for when the page is loaded again. */
  #remember(turn) {
    const { key, message, state, thread } = turn;
    if (!thread) return;
    this.#turns.set(thread, turn);
    sessionStorage.setItem(`turn ${thread}`, JSON.stringify({ key, message, stopped: state !== 'running' }));
  }

  /** Makes a turn the one that is shown last. */
  #take(turn) {
    this.#turn = turn;
    if (turn) this.#messages.append(turn.element);
  }

  get #isRunning() {
    return this.#turn?.state === 'running';
  }

  // The box and the view

  #showState() {
    const isRunning = this.#isRunning;
    byId('send').hidden = isRunning;
    byId('stop').hidden = !isRunning;
    byId('empty').hidden = this.thread !== undefined || this.#turn !== undefined;
    if (!this.thread) byId('earlier').hidden = true;
  }

  #handleKey(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || TOUCH.matches) return;
    event.preventDefault();
    this.#send(this.#input.value);
  }

  #fitInput() {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  /** Says above the box what went wrong. */
  complain(text) {
    byId('composer-problem').textContent = text;
  }

  #noticeScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
    byId('to-end').hidden = this.#follows;
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
