import { agentQuestions } from '../agent/questions.ts';
import { databaseQuestions } from '../db/questions.ts';
import { interfaceQuestions } from '../interface/questions.ts';
import { nameQuestion, type Question } from '../shared/questions.ts';

/** All that a project is made from, in the order in which it is asked; the name is the command's argument. */
export const tierQuestions: readonly Question[] = [...databaseQuestions, ...agentQuestions, ...interfaceQuestions];

export const allQuestions: readonly Question[] = [nameQuestion, ...tierQuestions];
