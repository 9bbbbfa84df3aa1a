import { api } from './api/index.ts';
import type { Interface } from './interface.ts';
import { telegram } from './telegram/index.ts';
import { web } from './web/index.ts';

export const interfaces = { api, telegram, web } as const satisfies Record<string, Interface>;

export type InterfaceId = keyof typeof interfaces;
