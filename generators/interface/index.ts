import { type Options, YeomanCommand } from '../app/yeoman.ts';

/** Tier 3, the interface: `yo three-tier:interface`. */
export default class InterfaceGenerator extends YeomanCommand {
  constructor(args: string[], options: Options) {
    super(args, options, 'interface');
  }
}
