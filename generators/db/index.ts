import path from 'node:path';
import type { CommandOptions } from '../shared/command.ts';
import type { Project } from '../shared/project.ts';
import { Tier } from '../shared/tier.ts';
import { type DatabaseId, databases } from './databases/index.ts';
import { databaseQuestions } from './questions.ts';

/** Tier 1, the database: `yo three-tier:db`. */
export default class DatabaseGenerator extends Tier {
  constructor(args: string[], options: CommandOptions) {
    super(args, options, 'db', { own: databaseQuestions });
  }

  protected override overlays({ answers }: Project): string[] {
    return [path.join(databases[answers.database as DatabaseId].folder, 'templates')];
  }
}
