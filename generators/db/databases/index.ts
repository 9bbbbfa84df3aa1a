import type { Database } from './database.ts';
import { postgres } from './postgres/index.ts';

export const databases = { postgres } as const satisfies Record<string, Database>;

export type DatabaseId = keyof typeof databases;
