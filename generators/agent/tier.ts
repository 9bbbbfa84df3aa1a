import path from 'node:path';
import { databaseTier } from '../db/tier.ts';
import { kindQuestion, portQuestion } from '../shared/questions.ts';
import { HTTP, PYTHON, type Tier } from '../shared/tier.ts';
import { type LogicId, logics } from './logics/index.ts';

/** Tier 2, the agent. What it remembers with is made for its database, so it must know that. */
export const agentTier: Tier = {
  questions: [
    kindQuestion('logic', 'What answers a message?', logics, 'langgraph'),
    portQuestion('agentPort', 'agent-port', 'Port of the agent on 127.0.0.1', 8000),
  ],
  others: databaseTier.questions,
  folders: ({ database, logic }) => [
    path.join(import.meta.dirname, 'templates'),
    path.join(logics[logic as LogicId].folder, 'templates'),
    path.join(import.meta.dirname, 'locks', `${database}-${logic}`),
  ],
  shared: () => [PYTHON, HTTP],
};
