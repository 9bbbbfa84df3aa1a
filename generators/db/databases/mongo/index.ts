import type { Database } from '../database.ts';

export const mongo = {
  label: 'MongoDB',
  folder: import.meta.dirname,
  service: 'mongo',
  volume: 'data_mongo',
  url: (name) => `mongodb://\${DB_USER}@${name}-mongo:27017/\${DB_NAME}`,
  reserved: /^(admin|config|local|root)$/,
  initFiles: ['init-collections.js'],
  initFilesTakeEffect: 'run on an empty volume and again by every deploy',
  secrets: [
    { variable: 'DB_PASSWORD', prefix: '' },
    { variable: 'DB_ADMIN_PASSWORD', prefix: '' },
  ],
  packages: ['pymongo'],
  devPackages: [],
} as const satisfies Database;
