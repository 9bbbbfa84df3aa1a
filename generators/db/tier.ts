import path from 'node:path';
import { kindQuestion } from '../shared/questions.ts';
import type { Tier } from '../shared/tier.ts';
import { type DatabaseId, databases } from './databases/index.ts';

/** Tier 1, the database. */
export const databaseTier: Tier = {
  questions: [kindQuestion('database', 'Which database keeps the conversations?', databases, 'postgres')],
  folders: ({ database }) => [
    path.join(import.meta.dirname, 'templates'),
    path.join(databases[database as DatabaseId].folder, 'templates'),
  ],
  shared: () => [],
};
