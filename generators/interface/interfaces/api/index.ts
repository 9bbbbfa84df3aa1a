import type { Interface } from '../interface.ts';

export const api = {
  label: 'API',
  folder: import.meta.dirname,
  hasPort: true,
  parts: ['http'],
  rotates: 'gives every name in `API_KEYS` a new key, beside which the one before stays valid until the next time',
  secrets: [{ variable: 'API_KEYS', prefix: 'default:' }],
  packages: ['fastapi', 'fastapi-swagger', 'httptools', 'limits', 'uvicorn'],
  devPackages: ['httpx', 'openai'],
} as const satisfies Interface;
