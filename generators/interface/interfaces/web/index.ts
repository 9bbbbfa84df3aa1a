import type { Interface } from '../interface.ts';

export const web = {
  label: 'web page',
  folder: import.meta.dirname,
  hasPort: true,
  parts: ['http'],
  libraries: 'interface/three_tier/interface/web/static/vendor',
  rotates: '`SESSION_SECRET`, so that everybody has to sign in again',
  secrets: [
    { variable: 'WEB_PASSWORD', prefix: '' },
    { variable: 'WEB_LINK_TOKEN' },
    { variable: 'SESSION_SECRET', prefix: '' },
  ],
  packages: ['fastapi', 'httptools', 'itsdangerous', 'uvicorn'],
  devPackages: ['httpx'],
} as const satisfies Interface;
