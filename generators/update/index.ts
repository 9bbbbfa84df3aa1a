import { Command, type CommandOptions } from '../shared/command.ts';

/** Brings a project to the installed version of this package: `yo three-tier:update`. */
export default class UpdateGenerator extends Command {
  constructor(args: string[], options: CommandOptions) {
    super(args, options, []);
    this.desc('Brings the project in this folder to the installed version, and keeps your edits.');
  }

  async initializing(): Promise<void> {
    const generatorOptions: Record<string, unknown> = { ...this.flags, entry: { update: true, about: [] } };
    await this.composeWith('three-tier:app', { generatorOptions });
    this.refuseUnknownFlags();
  }
}
