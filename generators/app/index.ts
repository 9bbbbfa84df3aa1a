import { locate } from '../shared/locate.ts';
import { TIERS } from '../shared/tiers.ts';
import { type Options, ThreeTierCommand } from '../shared/yeoman.ts';
import { appCommand } from './command.ts';

/** The whole project: `yo three-tier`. It finds the place, and composes the three tiers. */
export default class AppGenerator extends ThreeTierCommand {
  constructor(args: string[], options: Options) {
    super(args, options, appCommand);
  }

  prompting(): Promise<void> {
    return this.step(async () => {
      const { command, host, manner, request } = this;
      const { place, answers } = await locate(command.id, host, request, this.given());
      const project = this.session.open(host, place, manner);
      project.give(answers);
      for (const tier of TIERS) await this.composeTier(tier, { project, manner });
      await project.askName(manner);
    });
  }
}
