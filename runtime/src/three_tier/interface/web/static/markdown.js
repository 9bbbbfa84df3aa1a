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
  ADD_URI_SAFE_ATTR: ['align', 'start'], // whose values are no addresses
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => asText(text),
    text: ({ text, escaped }) => (escaped ? asText(text) : false), // within HTML; false is Marked's own way
    image: ({ href, text }) => `<a href="${asText(href)}">${asText(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    code: ({ text, lang }) => `<pre><code>${highlight(text, lang)}</code></pre>`,
  },
});

/** Shows Markdown in an element, and keeps what is there already while the text grows. */
export class Markdown {
  #target;
  #blocks = [];
  #context;

  constructor(target) {
    this.#target = target;
  }

  show(text) {
    const tokens = marked.lexer(text);
    const depths = [...new Set(tokens.filter(({ type }) => type === 'heading').map(({ depth }) => depth))].sort();
    // What comes later can change what stands before: a definition such as [1]: https://…, or a higher heading.
    const context = [...Object.keys(tokens.links), ...depths].join('\n');
    let same = 0;
    if (context === this.#context) {
      while (same < this.#blocks.length && this.#blocks[same].raw === tokens[same]?.raw) same++;
    }
    this.#context = context;
    for (const block of this.#blocks.splice(same)) for (const node of block.nodes) node.remove();
    for (const token of tokens.slice(same)) {
      const nodes = [...render(token, depths).childNodes];
      this.#target.append(...nodes);
      this.#blocks.push({ raw: token.raw, nodes });
    }
  }
}

function render(token, depths) {
  // Whatever a reply begins with, its highest headings come right below those of the page.
  const leveled = token.type === 'heading' ? { ...token, depth: Math.min(3 + depths.indexOf(token.depth), 6) } : token;
  const fragment = DOMPurify.sanitize(marked.parser([leveled]), ALLOWED);
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
