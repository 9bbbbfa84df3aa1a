import { type Options, YeomanCommand } from '../app/yeoman.ts';

/** Brings a project to the installed version of this package: `yo three-tier:update`. */
export default class UpdateGenerator extends YeomanCommand {
  constructor(args: string[], options: Options) {
    super(args, options, 'update');
  }
}
