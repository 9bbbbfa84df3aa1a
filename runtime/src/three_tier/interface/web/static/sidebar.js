// On narrow screens the list of conversations lies over the page and can be put away.

import { byId } from './dom.js';

const sidebar = byId('sidebar');
const opener = byId('open-sidebar');

function show(isOpen) {
  document.body.classList.toggle('sidebar-open', isOpen);
  byId('backdrop').hidden = !isOpen;
  byId('chat').inert = isOpen;
  opener.setAttribute('aria-expanded', String(isOpen));
}

/** Puts the list away, where it lies over the page. */
export function closeSidebar() {
  if (!document.body.classList.contains('sidebar-open')) return;
  show(false);
  opener.focus();
}

export function setUpSidebar() {
  opener.addEventListener('click', () => {
    show(true);
    byId('close-sidebar').focus();
  });
  for (const closer of ['close-sidebar', 'backdrop']) byId(closer).addEventListener('click', closeSidebar);
  sidebar.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !document.body.classList.contains('sidebar-open')) return;
    event.stopPropagation();
    closeSidebar();
  });
  matchMedia('(min-width: 48rem)').addEventListener('change', closeSidebar);
}
