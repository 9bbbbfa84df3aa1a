import { agentTier } from '../agent/tier.ts';
import { databaseTier } from '../db/tier.ts';
import { interfaceTier } from '../interface/tier.ts';
import { nameQuestion, type Question } from '../shared/questions.ts';
import type { Tier } from '../shared/tier.ts';
import { inOrder, TIERS, type TierId, type Tiers } from '../shared/tiers.ts';

export const tiers: Readonly<Record<TierId, Tier>> = { db: databaseTier, agent: agentTier, interface: interfaceTier };

/** All that a project is made from, in the order in which it is asked; the name is the command's argument. */
export const tierQuestions: readonly Question[] = TIERS.flatMap((tier) => tiers[tier].questions);

export const allQuestions: readonly Question[] = [nameQuestion, ...tierQuestions];

/** The questions whose answers make this tier. */
export function neededFor(tier: TierId): readonly Question[] {
  const { questions, others = [] } = tiers[tier];
  return [...others, ...questions];
}

/** The questions whose answers make a project with these tiers. */
export function questionsOf(wanted: Tiers): readonly Question[] {
  const needed: ReadonlySet<Question> = new Set(inOrder(wanted).flatMap(neededFor));
  return allQuestions.filter((question) => question === nameQuestion || needed.has(question));
}
