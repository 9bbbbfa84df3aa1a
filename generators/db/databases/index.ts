import type { Database } from './database.ts';
import { mongo } from './mongo/index.ts';
import { postgres } from './postgres/index.ts';
import { redis } from './redis/index.ts';

export const databases = { postgres, redis, mongo } as const satisfies Record<string, Database>;

export type DatabaseId = keyof typeof databases;
