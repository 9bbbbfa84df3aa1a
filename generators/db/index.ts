import { type Options, YeomanCommand } from '../app/yeoman.ts';

/** Tier 1, the database: `yo three-tier:db`. */
export default class DatabaseGenerator extends YeomanCommand {
  constructor(args: string[], options: Options) {
    super(args, options, 'db');
  }
}
