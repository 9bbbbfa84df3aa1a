// Light, dark, or what the system prefers. A classic script, so that it runs before anything is painted.

const THEMES = { auto: 'Automatic', light: 'Light', dark: 'Dark' };

function storedTheme() {
  const theme = localStorage.getItem('theme');
  return theme in THEMES ? theme : 'auto';
}

function showTheme() {
  document.documentElement.dataset.theme = storedTheme();
}

showTheme();

addEventListener('DOMContentLoaded', () => {
  const button = document.getElementById('theme');
  const label = () => {
    button.querySelector('span').textContent = `${THEMES[storedTheme()]} colours`;
  };
  button.addEventListener('click', () => {
    const names = Object.keys(THEMES);
    localStorage.setItem('theme', names[(names.indexOf(storedTheme()) + 1) % names.length]);
    showTheme();
    label();
  });
  label();
});
