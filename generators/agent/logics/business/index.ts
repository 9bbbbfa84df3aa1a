import type { Logic } from '../logic.ts';

export const business = {
  label: 'Business logic',
  example: 'Please add 2 milk and bread.',
  folder: import.meta.dirname,
  secrets: [],
  packages: [],
  devPackages: [],
} as const satisfies Logic;
