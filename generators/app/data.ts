import { type LogicId, logics } from '../agent/logics/index.ts';
import type { Logic } from '../agent/logics/logic.ts';
import type { Database } from '../db/databases/database.ts';
import { type DatabaseId, databases } from '../db/databases/index.ts';
import { type InterfaceId, interfaces } from '../interface/interfaces/index.ts';
import type { Interface } from '../interface/interfaces/interface.ts';
import type { Secret } from '../shared/kinds.ts';
import type { Answers } from '../shared/questions.ts';

/** What the templates see. */
export interface TemplateData {
  readonly name: string;
  /** The name where hyphens are not allowed: the database, the volume. */
  readonly identifier: string;
  readonly agentPort: number;
  readonly interfacePort: number;
  readonly database: Omit<Database, 'url'> & { readonly id: string; readonly url: string };
  readonly logic: Logic & { readonly id: string };
  readonly interface: Interface & { readonly id: string };
  readonly secrets: readonly Secret[];
}

export function templateData(answers: Answers): TemplateData {
  const database = databases[answers.database as DatabaseId];
  const logic = logics[answers.logic as LogicId];
  const interface_ = interfaces[answers.interface as InterfaceId];
  return {
    name: answers.name,
    identifier: answers.name.replaceAll('-', '_'),
    agentPort: answers.agentPort,
    interfacePort: answers.interfacePort,
    database: { ...database, id: answers.database, url: database.url(answers.name) },
    logic: { ...logic, id: answers.logic },
    interface: { ...interface_, id: answers.interface },
    secrets: [...database.secrets, { variable: 'AGENT_TOKEN', prefix: '' }, ...logic.secrets, ...interface_.secrets],
  };
}
