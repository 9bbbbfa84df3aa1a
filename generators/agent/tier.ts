import path from 'node:path';
import { checkDatabase, databaseTier } from '../db/tier.ts';
import { kindQuestion, portQuestion } from '../shared/questions.ts';
import type { Tier } from '../shared/tier.ts';
import { type LogicId, logics } from './logics/index.ts';

/** Tier 2, the agent. What it remembers with is made for its database, so it must know that. */
export const agentTier: Tier = {
  id: 'agent',
  questions: [
    kindQuestion('logic', 'What answers a message?', logics, 'langgraph'),
    portQuestion('agentPort', 'agent-port', 'Port of the agent on 127.0.0.1', 8000),
  ],
  others: databaseTier.questions,
  check: checkDatabase,
  facts: (answers) => ({
    ...databaseTier.facts(answers),
    logic: { ...logics[answers.logic as LogicId], id: answers.logic as string },
    agentPort: answers.agentPort,
  }),
  folders: ({ database, logic }) => [
    path.join(import.meta.dirname, 'templates'),
    path.join(logics[logic as LogicId].folder, 'templates'),
    path.join(import.meta.dirname, 'locks', `${database}-${logic}`),
  ],
  runtime: ({ database, logic }) => ['common', 'common/http', 'agent', `agent/${database}`, `agent/${logic}`],
};
