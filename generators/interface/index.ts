import { TierCommand } from '../shared/tier_command.ts';
import type { Options } from '../shared/yeoman.ts';
import { interfaceTier } from './tier.ts';

/** Tier 3, the interface: `yo three-tier:interface`. */
export default class InterfaceGenerator extends TierCommand {
  constructor(args: string[], options: Options) {
    super(args, options, interfaceTier);
  }
}
