import { tierCommand } from './command.ts';
import { tierPlace } from './locate.ts';
import type { Project } from './project.ts';
import type { Tier } from './tier.ts';
import { type Options, type Part, ThreeTierCommand } from './yeoman.ts';

/** The command of one tier: it asks what the tier needs, and renders it with what it has in common with the others. */
export abstract class TierCommand extends ThreeTierCommand {
  readonly #tier: Tier;
  #project!: Project;

  constructor(args: string[], options: Options, tier: Tier) {
    super(args, options, tierCommand(tier));
    this.#tier = tier;
  }

  /** Undefined where the tier was typed, or a generator of another package composes it. */
  get #part(): Part | undefined {
    return this.options.part as Part | undefined;
  }

  override async initializing(): Promise<void> {
    await super.initializing();
    await this.step(() => {
      this.#project = this.#part?.project ?? this.session.open(this.host, tierPlace(this.host), this.manner);
      this.#project.give(this.given());
      this.#project.add(this.#tier);
    });
  }

  prompting(): Promise<void> {
    return this.step(async () => {
      const manner = this.#part?.manner ?? this.manner;
      if (!this.#part) {
        for (const id of this.#project.stored?.tiers ?? []) {
          if (!this.#project.has(id)) await this.composeTier(id, { project: this.#project, manner });
        }
        await this.#project.askName(manner);
      }
      await this.#project.ask(this.#tier, manner, !this.#part || Boolean(this.options.askAnswered));
    });
  }

  rendering(): Promise<void> {
    return this.step(() => this.session.render(this.#project));
  }
}
