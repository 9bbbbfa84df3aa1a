import { api } from './api/index.ts';
import type { Interface } from './interface.ts';

export const interfaces = { api } as const satisfies Record<string, Interface>;

export type InterfaceId = keyof typeof interfaces;
