// Replies are Markdown. What they hold beside it is shown as text: no HTML, no pictures, no links but to the web.

import { copyButton, element } from './dom.js';
import hljs from './vendor/highlight.js';
import { Marked } from './vendor/marked.js';
import DOMPurify from './vendor/purify.js';

const LONGEST_HIGHLIGHTED = 50_000; // characters; colours for more would be slow

const ALLOWED = {
  ALLOWED_TAGS: [
    ...['a', 'blockquote', 'br', 'code', 'del', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre', 'span'],
    ...['strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
  ],
  ALLOWED_ATTR: ['align', 'class', 'href', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => asText(text),
    image: ({ href, text }) => `<a href="${asText(href)}">${asText(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    code: ({ text, lang }) => `<pre><code>${highlight(text, lang)}</code></pre>`,
    heading({ tokens, depth }) {
      const level = Math.min(depth + 2, 6); // below the headings of the page
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
  },
});

/** Shows Markdown in an element, and keeps what is there already while the text grows. */
export class Markdown {
  #target;
  #blocks = [];
  #definitions = 0;

  constructor(target) {
    this.#target = target;
  }

  show(text) {
    const tokens = marked.lexer(text);
    const definitions = Object.keys(tokens.links).length;
    let same = 0;
    // A definition such as [1]: https://… may turn earlier text into a link.
    if (definitions === this.#definitions) {
      while (same < this.#blocks.length && this.#blocks[same].raw === tokens[same]?.raw) same++;
    }
    this.#definitions = definitions;
    for (const block of this.#blocks.splice(same)) for (const node of block.nodes) node.remove();
    for (const token of tokens.slice(same)) {
      const nodes = [...render(token).childNodes];
      this.#target.append(...nodes);
      this.#blocks.push({ raw: token.raw, nodes });
    }
  }
}

function render(token) {
  const fragment = DOMPurify.sanitize(marked.parser([token]), ALLOWED);
  for (const link of fragment.querySelectorAll('a[href]')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const table of fragment.querySelectorAll('table')) {
    const frame = element('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table' });
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const code of fragment.querySelectorAll('pre')) {
    const language = token.type === 'code' ? (token.lang ?? '').split(/\s/)[0] : '';
    const bar = element(
      'div',
      { class: 'code-bar' },
      language,
      copyButton('Copy the code', () => code.textContent),
    );
    const frame = element('div', { class: 'code' }, bar);
    code.setAttribute('tabindex', '0');
    code.replaceWith(frame);
    frame.append(code);
  }
  return fragment;
}

function highlight(text, lang = '') {
  const [language] = lang.split(/\s/);
  if (!hljs.getLanguage(language) || text.length > LONGEST_HIGHLIGHTED) return asText(text);
  return hljs.highlight(text, { language, ignoreIllegals: true }).value;
}

function asText(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
