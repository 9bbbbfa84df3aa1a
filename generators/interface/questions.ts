import { kindQuestion, portQuestion } from '../shared/questions.ts';
import { interfaces } from './interfaces/index.ts';

export const interfaceQuestions = [
  kindQuestion('interface', 'How do people reach the agent?', interfaces, 'api'),
  portQuestion('interfacePort', 'interface-port', 'Port of the interface on 127.0.0.1', 8080),
];
