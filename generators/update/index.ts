import { locate } from '../shared/locate.ts';
import { type Options, ThreeTierCommand } from '../shared/yeoman.ts';
import { updateCommand } from './command.ts';

/** Brings a project to the installed version of this package: `yo three-tier:update`. It composes the tiers that are there. */
export default class UpdateGenerator extends ThreeTierCommand {
  constructor(args: string[], options: Options) {
    super(args, options, updateCommand);
  }

  prompting(): Promise<void> {
    return this.step(async () => {
      const { place } = await locate(this.command.id, this.host, this.request, {});
      const manner = { ...this.manner, isUpdate: true };
      const project = this.session.open(this.host, place, manner);
      const part = { project, manner: { ...manner, yes: true } }; // it has all the answers
      project.give(this.given());
      for (const tier of project.stored?.tiers ?? []) await this.composeTier(tier, part);
    });
  }
}
