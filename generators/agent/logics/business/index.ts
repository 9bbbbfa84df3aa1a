import type { Logic } from '../logic.ts';

export const business = {
  label: 'Business logic',
  example: 'Please add 2 milk and bread.',
  folder: import.meta.dirname,
  historyWindow: 10,
  secrets: [],
  packages: [],
  devPackages: [],
} as const satisfies Logic;
