import { Command, type CommandOptions } from './command.ts';
import { renderOverlay } from './overlay.ts';
import { currentProject, type Project } from './project.ts';
import type { Question } from './questions.ts';

/** One tier as a command of its own. It goes through `three-tier:app`, which knows the whole project. */
export abstract class Tier extends Command {
  readonly #questions: readonly Question[];

  constructor(args: string[], options: CommandOptions, questions: readonly Question[]) {
    super(args, options, questions);
    this.#questions = questions;
  }

  /** The folders of templates that make up the tier, for the answers given. */
  protected abstract overlays(project: Project): string[];

  async initializing(): Promise<void> {
    const generatorOptions: Record<string, unknown> = { ...this.flags, about: this.#questions.map(({ key }) => key) };
    await this.composeWith('three-tier:app', { generatorOptions });
    this.refuseUnknownFlags();
  }

  writing(): void {
    const project = currentProject(this.env);
    for (const folder of this.overlays(project)) project.files.push(...renderOverlay(folder, project.data));
  }
}
