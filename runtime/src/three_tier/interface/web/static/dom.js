// Small helpers for the document.

/** The element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes an element: `element('button', { type: 'button', onclick: stop }, 'Stop')`. Text stays text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/** One of the icons at the end of index.html. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button that is an icon. */
export function iconButton(name, label, onclick) {
  return element(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick },
    icon(name),
  );
}

/** Lets a screen reader say something. */
export function announce(text) {
  byId('announcer').textContent = text;
}

/** A button that copies what `text()` returns. */
export function copyButton(label, text) {
  const button = iconButton('copy', label, async () => {
    await copy(text());
    announce('Copied');
    button.replaceChildren(icon('done'));
    setTimeout(() => button.replaceChildren(icon('copy')), 1500);
  });
  return button;
}

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Over plain HTTP browsers have no clipboard but this one.
  const area = element('textarea', { class: 'visually-hidden' });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
  focused?.focus();
}
