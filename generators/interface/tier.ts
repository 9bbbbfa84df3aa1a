import path from 'node:path';
import { UsageError } from '../shared/errors.ts';
import { type Answers, type KnownAnswers, kindQuestion, portQuestion } from '../shared/questions.ts';
import type { Tier } from '../shared/tier.ts';
import { type InterfaceId, interfaces } from './interfaces/index.ts';
import type { Interface } from './interfaces/interface.ts';

/** Tier 3, the interface. */
export const interfaceTier: Tier = {
  id: 'interface',
  questions: [
    kindQuestion('interface', 'How do people reach the agent?', interfaces, 'api'),
    portQuestion('interfacePort', 'interface-port', 'Port of the interface on 127.0.0.1', 8080),
  ],
  check: checkPorts,
  facts: (answers) => ({
    interface: { ...interfaces[answers.interface as InterfaceId], id: answers.interface as string },
    interfacePort: answers.interfacePort,
  }),
  folders: (answers) => {
    const { folder }: Interface = interfaces[answers.interface as InterfaceId];
    return [
      path.join(import.meta.dirname, 'templates'),
      path.join(folder, 'templates'),
      path.join(import.meta.dirname, 'locks', answers.interface as InterfaceId),
    ];
  },
  runtime: (answers) => {
    const { parts = [] }: Interface = interfaces[answers.interface as InterfaceId];
    const common = parts.map((part) => `common/${part}`);
    return [
      'common',
      ...common,
      'interface',
      'interface/testing',
      ...[...parts, answers.interface].map((part) => `interface/${part}`),
    ];
  },
};

/** @throws UsageError where the interface is to listen on the port of the agent. */
function checkPorts(_: Partial<Answers>, answers: KnownAnswers, given: Partial<Answers>): void {
  const { agentPort, interfacePort } = answers;
  const { hasPort }: Interface = interfaces[answers.interface as InterfaceId];
  if (!hasPort || agentPort !== interfacePort) return;
  const [flag, other] = given.interfacePort ? ['interface-port', 'agent'] : ['agent-port', 'interface'];
  throw new UsageError(`--${flag}: ${agentPort} is the ${other}'s port already; use another one.`);
}
