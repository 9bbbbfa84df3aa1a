import type { Database } from '../database.ts';

export const redis = {
  label: 'Redis',
  folder: import.meta.dirname,
  service: 'redis',
  volume: 'data_redis',
  url: (name) => `redis://\${DB_USER}@${name}-redis:6379/\${DB_NAME}`,
  reserved: /^(admin|default)$/,
  initFiles: ['redis.conf', 'init-users.sh'],
  initFilesTakeEffect: 'read when the server starts; a deploy restarts it after a change',
  secrets: [
    { variable: 'DB_PASSWORD', prefix: '' },
    { variable: 'DB_ADMIN_PASSWORD', prefix: '' },
  ],
  packages: ['hiredis', 'redis'],
  devPackages: [],
} as const satisfies Database;
