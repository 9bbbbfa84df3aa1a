import type { Interface } from '../interface.ts';

export const api = {
  label: 'API',
  folder: import.meta.dirname,
  parts: ['http'],
  secrets: [{ variable: 'API_KEYS', prefix: 'default:' }],
  packages: ['fastapi', 'fastapi-swagger', 'httptools', 'limits', 'uvicorn'],
  devPackages: ['httpx', 'openai'],
} as const satisfies Interface;
