import { kindQuestion, portQuestion } from '../shared/questions.ts';
import { logics } from './logics/index.ts';

export const agentQuestions = [
  kindQuestion('logic', 'What answers a message?', logics, 'langgraph'),
  portQuestion('agentPort', 'agent-port', 'Port of the agent on 127.0.0.1', 8000),
];
