// The list of conversations on the left.

import { deleteThread, listThreads, Problem, renameThread } from './api.js';
import { announce, byId, element, iconButton } from './dom.js';

const UNNAMED = 'Conversation';
const AGAIN_AFTER = 2000; // milliseconds

/** Sends `deleted` with the id of a conversation in `detail`, and `change` when titles may have changed. */
export class Threads extends EventTarget {
  #threads = [];
  #current;
  #again;
  #list = byId('threads');
  #more = byId('more-threads');

  constructor() {
    super();
    this.#more.addEventListener('click', () => this.#load(this.#threads.at(-1)?.thread_id));
  }

  /** Reads the newest ones again. */
  refresh() {
    return this.#load();
  }

  /** Marks the conversation that is shown. */
  select(id) {
    this.#current = id;
    for (const item of this.#list.children) this.#mark(item);
  }

  titleOf(id) {
    const thread = this.#threads.find((found) => found.thread_id === id);
    return thread ? (thread.title ?? UNNAMED) : undefined;
  }

  async #load(before) {
    clearTimeout(this.#again);
    try {
      const { data, has_more: hasMore } = await listThreads(before);
      this.#threads = before === undefined ? data : [...this.#threads, ...data];
      this.#more.hidden = !hasMore;
      this.#show();
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // a problem is told where presence is
      if (error.status !== 0 || document.hidden) return; // a hidden page asks when it is looked at again
      this.#again = setTimeout(() => this.#load(before), AGAIN_AFTER);
    }
  }

  #show() {
    if (this.#list.querySelector('input')) return; // somebody is typing a title
    const { activeElement } = document;
    const item = this.#list.contains(activeElement) ? activeElement.closest('li') : null;
    const place = [...(item?.children ?? [])].indexOf(activeElement);
    this.#list.replaceChildren(...this.#threads.map((thread) => this.#item(thread)));
    if (item) this.#list.querySelector(`[data-id="${CSS.escape(item.dataset.id)}"]`)?.children[place]?.focus();
    this.dispatchEvent(new Event('change'));
  }

  #item(thread) {
    const title = thread.title ?? UNNAMED;
    const link = element('a', { href: `#/${thread.thread_id}`, title }, title);
    const rename = iconButton('rename', `Rename ${title}`, () => this.#rename(thread, item));
    const remove = iconButton('delete', `Delete ${title}`, () => this.#delete(thread));
    const item = element('li', { 'data-id': thread.thread_id }, link, rename, remove);
    this.#mark(item);
    return item;
  }

  #mark(item) {
    const link = item.querySelector('a');
    if (item.dataset.id === this.#current) link?.setAttribute('aria-current', 'page');
    else link?.removeAttribute('aria-current');
  }

  #rename(thread, item) {
    const input = element('input', { 'aria-label': 'Title', maxlength: '200' });
    input.value = thread.title ?? '';
    let isOpen = true;
    const close = async (title) => {
      if (!isOpen) return;
      isOpen = false; // removing the input takes the focus from it, which closes it once more
      input.remove();
      if (title && title !== thread.title) await this.#change(() => renameThread(thread.thread_id, title));
      else this.#show();
      this.#list.querySelector(`[data-id="${CSS.escape(thread.thread_id)}"] a`)?.focus();
    };
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') close(input.value.trim());
      if (event.key === 'Escape') close();
      if (event.key === 'Enter' || event.key === 'Escape') event.stopPropagation();
    });
    input.addEventListener('blur', () => close(input.value.trim()));
    item.replaceChildren(input);
    input.select();
  }

  #delete(thread) {
    const dialog = byId('confirm');
    byId('confirm-question').textContent = `Delete “${thread.title ?? UNNAMED}”?`;
    dialog.returnValue = 'cancel';
    dialog.onclose = async () => {
      if (dialog.returnValue !== 'delete') return;
      if (await this.#change(() => deleteThread(thread.thread_id))) {
        this.dispatchEvent(new CustomEvent('deleted', { detail: thread.thread_id }));
        announce('Deleted');
      }
    };
    dialog.showModal();
  }

  /** Makes a change and reads the list again; false where it failed. */
  async #change(work) {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.dispatchEvent(new CustomEvent('problem', { detail: error.message }));
      return false;
    } finally {
      await this.refresh();
    }
  }
}
