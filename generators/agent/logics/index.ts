import { business } from './business/index.ts';
import { langgraph } from './langgraph/index.ts';
import type { Logic } from './logic.ts';

export const logics = { langgraph, business } as const satisfies Record<string, Logic>;

export type LogicId = keyof typeof logics;
