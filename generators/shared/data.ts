import type { Logic } from '../agent/logics/logic.ts';
import type { Database } from '../db/databases/database.ts';
import type { Interface } from '../interface/interfaces/interface.ts';
import { type ExtraId, extrasIn } from './extras.ts';
import { pinned } from './images.ts';
import type { Secret } from './kinds.ts';
import type { KnownAnswers } from './questions.ts';
import { missingFrom, phrase, type TierId, type Tiers } from './tiers.ts';

/** What the templates see. */
export interface TemplateData {
  readonly name: string;
  /** What the database and its user are called, where hyphens are not allowed. */
  readonly identifier: string;
  /** Which tiers are there: `tiers.db`, `tiers.agent`, `tiers.interface`. */
  readonly tiers: Readonly<Record<TierId, boolean>>;
  /** Tiers that are not there yet, and the same as people say it. */
  readonly missing: readonly TierId[];
  readonly missingPhrase: string;
  /** What a tier is made from is undefined where the tier is missing; the agent needs to know its database, though. */
  readonly agentPort: number | undefined;
  readonly interfacePort: number | undefined;
  readonly database: (Omit<Database, 'url'> & { readonly id: string; readonly url: string }) | undefined;
  readonly logic: (Logic & { readonly id: string }) | undefined;
  readonly interface: (Interface & { readonly id: string }) | undefined;
  readonly secrets: readonly Secret[];
  /** What it has beside its tiers: `extras.swarm`, `extras.transfer`. */
  readonly extras: Readonly<Record<ExtraId, boolean>>;
  /** A base image, by tag and digest. */
  readonly pinned: (image: string) => string;
}

/** What a tier has to say for the templates of all. */
export type Facts = Partial<Pick<TemplateData, 'agentPort' | 'interfacePort' | 'database' | 'logic' | 'interface'>>;

/** @param facts - Of every tier that is there. */
export function templateData(
  { name, with: extras }: KnownAnswers,
  tiers: Tiers,
  facts: readonly Facts[],
): TemplateData {
  const missing = missingFrom(tiers);
  const found: Facts = Object.assign({}, ...facts);
  const data = {
    name,
    identifier: identifierOf(name, found.database),
    tiers: { db: tiers.has('db'), agent: tiers.has('agent'), interface: tiers.has('interface') },
    missing,
    missingPhrase: phrase(missing),
    extras: extrasIn(extras),
    agentPort: undefined,
    interfacePort: undefined,
    database: undefined,
    logic: undefined,
    interface: undefined,
    ...found,
  };
  return { ...data, secrets: secretsOf(data), pinned };
}

/** What the agent's database and its user are called: the agent's name, unless the database keeps that for itself. */
export function identifierOf(name: string, database: Pick<Database, 'reserved'> | undefined): string {
  const identifier = name.replaceAll('-', '_');
  return database?.reserved.test(identifier) ? `agent_${identifier}` : identifier;
}

/** The secrets of the tiers that are there, and those that they share with a tier that is not. */
function secretsOf({ tiers, database, logic, interface: way }: Omit<TemplateData, 'secrets' | 'pinned'>): Secret[] {
  const secrets = [
    ...(tiers.db ? (database?.secrets ?? []) : []),
    ...(tiers.agent ? [{ variable: 'DB_PASSWORD', prefix: '' }] : []),
    ...(tiers.agent || tiers.interface ? [{ variable: 'AGENT_TOKEN', prefix: '' }] : []),
    ...(logic?.secrets ?? []),
    ...(way?.secrets ?? []),
  ];
  return [...new Map(secrets.map((secret) => [secret.variable, secret])).values()];
}
