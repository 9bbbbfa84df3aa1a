import path from 'node:path';
import { databaseQuestions } from '../db/questions.ts';
import type { CommandOptions } from '../shared/command.ts';
import type { Project } from '../shared/project.ts';
import { Tier } from '../shared/tier.ts';
import { type LogicId, logics } from './logics/index.ts';
import { agentQuestions } from './questions.ts';

/** Tier 2, the agent: `yo three-tier:agent`. What it remembers with is made for its database, so it must know that. */
export default class AgentGenerator extends Tier {
  constructor(args: string[], options: CommandOptions) {
    super(args, options, 'agent', { own: agentQuestions, others: databaseQuestions });
  }

  protected override overlays({ answers }: Project): string[] {
    return [
      path.join(import.meta.dirname, 'templates'),
      path.join(logics[answers.logic as LogicId].folder, 'templates'),
      path.join(import.meta.dirname, 'locks', `${answers.database}-${answers.logic}`),
    ];
  }
}
