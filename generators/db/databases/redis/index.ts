import type { Database } from '../database.ts';

export const redis = {
  label: 'Redis',
  folder: import.meta.dirname,
  service: 'redis',
  volume: 'data_redis',
  url: (name) => `redis://\${DB_USER}@${name}-redis:6379/\${DB_NAME}`,
  reserved: /^(admin|default)$/,
  initFiles: ['redis.conf', 'init-users.sh'],
  secrets: [
    { variable: 'DB_PASSWORD', prefix: '' },
    { variable: 'DB_ADMIN_PASSWORD', prefix: '' },
  ],
  packages: ['hiredis', 'redis'],
  devPackages: [],
} as const satisfies Database;
