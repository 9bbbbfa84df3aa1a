import path from 'node:path';
import { identifierOf } from '../shared/data.ts';
import { UsageError } from '../shared/errors.ts';
import { type Answers, type KnownAnswers, kindQuestion } from '../shared/questions.ts';
import type { Tier } from '../shared/tier.ts';
import { type DatabaseId, databases } from './databases/index.ts';

/** Tier 1, the database. */
export const databaseTier: Tier = {
  id: 'db',
  questions: [kindQuestion('database', 'Which database keeps the conversations?', databases, 'postgres')],
  check: checkDatabase,
  facts: ({ name, database }) => {
    const kind = databases[database as DatabaseId];
    return { database: { ...kind, id: database as string, url: kind.url(name) } };
  },
  folders: ({ database }) => [
    path.join(import.meta.dirname, 'templates'),
    path.join(databases[database as DatabaseId].folder, 'templates'),
  ],
  runtime: () => [],
};

/**
 * The name of a project's database and its user stands in its `.env`, which no run changes: so it has to do for the
 * new kind of database, too.
 *
 * @throws UsageError where it does not.
 */
export function checkDatabase(before: Partial<Answers>, { name, database: id }: KnownAnswers): void {
  if (!before.database || !id || id === before.database) return;
  const identifier = identifierOf(name, databases[before.database as DatabaseId]);
  const { label, reserved } = databases[id as DatabaseId];
  if (!reserved.test(identifier)) return;
  throw new UsageError(
    `--database: ${label} keeps the name "${identifier}" of this project's database for itself; ` +
      `make a new project, called ${name}-agent say, and move the data with ops/three-tier export and import (--with transfer).`,
  );
}
