import { api } from './api/index.ts';
import type { Interface } from './interface.ts';
import { web } from './web/index.ts';

export const interfaces = { api, web } as const satisfies Record<string, Interface>;

export type InterfaceId = keyof typeof interfaces;
