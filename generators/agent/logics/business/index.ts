import type { Logic } from '../logic.ts';

export const business = {
  label: 'Business logic',
  folder: import.meta.dirname,
  secrets: [],
  packages: [],
  devPackages: [],
} as const satisfies Logic;
