import { TierCommand } from '../shared/tier_command.ts';
import type { Options } from '../shared/yeoman.ts';
import { databaseTier } from './tier.ts';

/** Tier 1, the database: `yo three-tier:db`. */
export default class DatabaseGenerator extends TierCommand {
  constructor(args: string[], options: Options) {
    super(args, options, databaseTier);
  }
}
