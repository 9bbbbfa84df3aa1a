import { agentTier } from '../agent/tier.ts';
import { databaseTier } from '../db/tier.ts';
import { interfaceTier } from '../interface/tier.ts';
import type { Command } from '../shared/command.ts';
import { extrasQuestion } from '../shared/extras.ts';

/** `yo three-tier`: it takes the flags of every tier. */
export const appCommand: Command = {
  id: 'app',
  description: 'Writes an AI agent as three services: interface, agent and database.',
  argument: 'name',
  questions: [...[databaseTier, agentTier, interfaceTier].flatMap(({ questions }) => questions), extrasQuestion],
  others: { output: 'Folder to write (default: agents/<name>; inside a folder called agents, <name>)' },
};
