import type { Database } from '../database.ts';

export const postgres = {
  label: 'PostgreSQL',
  folder: import.meta.dirname,
  service: 'postgres',
  volume: 'data',
  url: (name) => `postgresql://\${DB_USER}@${name}-postgres:5432/\${DB_NAME}`,
  reserved: /^(pg_.*|public|postgres|template[01])$/,
  initFiles: ['init-tables.sql', 'init-role.sh'],
  initFilesTakeEffect: 'run on an empty volume and again by every deploy',
  secrets: [
    { variable: 'DB_PASSWORD', prefix: '' },
    { variable: 'DB_ADMIN_PASSWORD', prefix: '' },
  ],
  packages: ['asyncpg'],
  devPackages: ['asyncpg-stubs'],
} as const satisfies Database;
