import { type Options, YeomanCommand } from './yeoman.ts';

/** The whole project: `yo three-tier`. */
export default class AppGenerator extends YeomanCommand {
  constructor(args: string[], options: Options) {
    super(args, options, 'app');
  }
}
