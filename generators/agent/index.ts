import { TierCommand } from '../shared/tier_command.ts';
import type { Options } from '../shared/yeoman.ts';
import { agentTier } from './tier.ts';

/** Tier 2, the agent: `yo three-tier:agent`. */
export default class AgentGenerator extends TierCommand {
  constructor(args: string[], options: Options) {
    super(args, options, agentTier);
  }
}
