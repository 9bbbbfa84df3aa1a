import type { Logic } from '../logic.ts';

export const langgraph = {
  label: 'LangGraph',
  folder: import.meta.dirname,
  secrets: [],
  packages: ['langgraph', 'langchain-core', 'langchain-openai'],
  devPackages: [],
} as const satisfies Logic;
