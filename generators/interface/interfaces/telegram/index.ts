import type { Interface } from '../interface.ts';

export const telegram = {
  label: 'Telegram bot',
  folder: import.meta.dirname,
  needs: 'TELEGRAM_BOT_TOKEN',
  secrets: [{ variable: 'TELEGRAM_BOT_TOKEN' }],
  packages: ['httpx', 'pyromark', 'python-telegram-bot', 'telegramify-markdown'],
  devPackages: [],
} as const satisfies Interface;
