import { type Options, YeomanCommand } from '../app/yeoman.ts';

/** Tier 2, the agent: `yo three-tier:agent`. */
export default class AgentGenerator extends YeomanCommand {
  constructor(args: string[], options: Options) {
    super(args, options, 'agent');
  }
}
