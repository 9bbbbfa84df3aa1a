import type { Logic } from '../logic.ts';

export const langgraph = {
  label: 'LangGraph',
  example: 'Hello! What is add(17, 25)?',
  folder: import.meta.dirname,
  historyWindow: 40,
  secrets: [{ variable: 'OPENAI_API_KEY' }],
  packages: ['langgraph', 'langchain-core', 'langchain-openai'],
  devPackages: [],
} as const satisfies Logic;
