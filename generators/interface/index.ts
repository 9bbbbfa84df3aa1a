import path from 'node:path';
import type { CommandOptions } from '../shared/command.ts';
import type { Project } from '../shared/project.ts';
import { Tier } from '../shared/tier.ts';
import { type InterfaceId, interfaces } from './interfaces/index.ts';
import type { Interface } from './interfaces/interface.ts';
import { interfaceQuestions } from './questions.ts';

/** Tier 3, the interface: `yo three-tier:interface`. */
export default class InterfaceGenerator extends Tier {
  constructor(args: string[], options: CommandOptions) {
    super(args, options, 'interface', { own: interfaceQuestions });
  }

  protected override overlays({ answers }: Project): string[] {
    const { folder, parts = [] }: Interface = interfaces[answers.interface as InterfaceId];
    return [
      path.join(import.meta.dirname, 'templates'),
      ...parts.map((part) => path.join(import.meta.dirname, 'parts', part, 'templates')),
      path.join(folder, 'templates'),
      path.join(import.meta.dirname, 'locks', answers.interface as InterfaceId),
    ];
  }
}
