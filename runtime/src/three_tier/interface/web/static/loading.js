// Loads the page again where a part of it did not arrive, as when a phone changes its network just then: a browser
// leaves such a page empty. A classic script before all others, so that it hears of them.

const LOAD_AGAIN_AFTER = 1000; // milliseconds
let incomplete = false;

addEventListener(
  'error',
  ({ target }) => {
    if (target instanceof Element) incomplete = true;
  },
  true,
);

addEventListener('load', () => {
  if (!incomplete) return;
  const banner = document.getElementById('starting');
  banner.textContent = 'A part of this page did not arrive. Trying again…';
  banner.hidden = false;
  setTimeout(() => location.reload(), LOAD_AGAIN_AFTER);
});
