import type { Interface } from '../interface.ts';

export const telegram = {
  label: 'Telegram bot',
  folder: import.meta.dirname,
  secrets: [],
  packages: ['pyromark', 'python-telegram-bot', 'telegramify-markdown'],
  devPackages: [],
} as const satisfies Interface;
