import { agentQuestions } from '../agent/questions.ts';
import { databaseQuestions } from '../db/questions.ts';
import { interfaceQuestions } from '../interface/questions.ts';
import { nameQuestion, type Question } from '../shared/questions.ts';
import { inOrder, type TierId, type Tiers } from '../shared/tiers.ts';

/** All that a project is made from, in the order in which it is asked; the name is the command's argument. */
export const tierQuestions: readonly Question[] = [...databaseQuestions, ...agentQuestions, ...interfaceQuestions];

export const allQuestions: readonly Question[] = [nameQuestion, ...tierQuestions];

const NEEDED: Readonly<Record<TierId, readonly Question[]>> = {
  db: databaseQuestions,
  agent: [...databaseQuestions, ...agentQuestions],
  interface: interfaceQuestions,
};

/** The questions whose answers make a project with these tiers. */
export function questionsOf(tiers: Tiers): readonly Question[] {
  const needed: ReadonlySet<Question> = new Set(inOrder(tiers).flatMap((tier) => NEEDED[tier]));
  return allQuestions.filter((question) => question === nameQuestion || needed.has(question));
}
