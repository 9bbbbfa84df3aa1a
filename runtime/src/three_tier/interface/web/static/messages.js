// How the parts of a conversation look.

import { copyButton, element, icon } from './dom.js';
import { Markdown } from './markdown.js';

const FRAME = 16; // milliseconds
const INCOMPLETE = {
  length: 'This reply is cut off: it is as long as one may be.',
  content_filter: 'This reply is not complete: the model kept it or the rest of it back.',
};

/** A message as it was typed. */
export function question(text) {
  return element('article', { class: 'question' }, heading('You'), element('p', { class: 'bubble' }, text));
}

/** What a tool answered, folded up. */
export function tool(result, name) {
  const text = typeof result === 'string' ? result : JSON.stringify(result, null, 2);
  const summary = element('summary', {}, name ? `Used ${name}` : 'Used a tool');
  return element('details', { class: 'tool' }, summary, element('pre', { tabindex: '0' }, text));
}

/** What is said where there is no reply, with a way to ask again. */
export function notice(text, label, onclick) {
  const button = element('button', { type: 'button', class: 'quiet', onclick }, icon('retry'), label);
  return element('div', { class: 'notice' }, element('p', {}, text), button);
}

/** A reply, whole or while it grows. */
export class Reply {
  element = element('article', { class: 'reply' });
  #prose = element('div', { class: 'prose' });
  #markdown = new Markdown(this.#prose);
  #text = '';
  #grown;
  #timer;
  #pause = FRAME;

  /** @param grown called each time that more of the reply is to be seen */
  constructor(author, grown = () => {}) {
    this.#grown = grown;
    this.element.append(heading(author), this.#prose);
  }

  /** Shows that the reply is on its way. */
  begin() {
    this.element.setAttribute('aria-busy', 'true');
    this.#prose.append(element('span', { class: 'thinking', 'aria-hidden': 'true' }));
  }

  /** Adds a piece of text. It is shown at once, but the more work that is, the less often. */
  write(piece) {
    if (!this.#text) this.#prose.replaceChildren();
    this.#text += piece;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const start = performance.now();
      this.#markdown.show(this.#text);
      this.#pause = Math.max(FRAME, 4 * (performance.now() - start));
      this.#grown();
    }, this.#pause);
  }

  addTool(result, name) {
    this.#prose.before(tool(result, name));
    this.#grown();
  }

  /** Ends the reply where it is. */
  end() {
    clearTimeout(this.#timer);
    this.#markdown.show(this.#text);
    this.element.removeAttribute('aria-busy');
    this.#prose.querySelector('.thinking')?.remove();
  }

  /** Ends the reply with the whole of its text, and says where that is not all there was to say. */
  complete(text, finishReason) {
    if (!this.#text) this.#prose.replaceChildren();
    this.#text = text;
    this.end();
    if (INCOMPLETE[finishReason]) this.#prose.after(element('p', { class: 'notice' }, INCOMPLETE[finishReason]));
    this.element.append(
      element(
        'div',
        { class: 'actions' },
        copyButton('Copy the reply', () => text),
      ),
    );
    this.#grown();
  }
}

function heading(author) {
  return element('h2', { class: 'visually-hidden' }, `${author} said`);
}
