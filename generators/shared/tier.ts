import { Command, type CommandOptions } from './command.ts';
import { renderOverlay } from './overlay.ts';
import { currentProject, type Project } from './project.ts';
import { nameQuestion, type Question } from './questions.ts';
import { hasFile, type TierId } from './tiers.ts';

/** What a tier is made from. */
export interface TierQuestions {
  /** Its own questions, which are asked again where it is run alone. */
  readonly own: readonly Question[];
  /** Questions of other tiers whose answers it needs. */
  readonly others?: readonly Question[];
}

/** One tier as a command of its own. It goes through `three-tier:app`, which knows the whole project. */
export abstract class Tier extends Command {
  readonly #tier: TierId;
  readonly #about: readonly string[];

  constructor(args: string[], options: CommandOptions, tier: TierId, { own, others = [] }: TierQuestions) {
    super(args, options, [nameQuestion, ...others, ...own]);
    this.#tier = tier;
    this.#about = own.map(({ key }) => key);
  }

  /** The folders of templates that make up the tier, for the answers given. */
  protected abstract overlays(project: Project): string[];

  async initializing(): Promise<void> {
    const entry = { tier: this.#tier, about: this.#about };
    const generatorOptions: Record<string, unknown> = { ...this.flags, entry };
    await this.composeWith('three-tier:app', { generatorOptions });
    this.refuseUnknownFlags();
  }

  writing(): void {
    const project = currentProject(this.env);
    const isWanted = (file: string) => hasFile(file, this.#tier, project.tiers);
    for (const folder of this.overlays(project)) project.files.push(...renderOverlay(folder, project.data, isWanted));
  }
}
