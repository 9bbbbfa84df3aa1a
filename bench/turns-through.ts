import { Client } from '../test/support/client.ts';
import type { Stack } from '../test/support/docker.ts';
import type { Target } from './load.ts';

const THREADS = 256; // so many more than connections that hardly ever two of them meet in one

/** Whose threads they are that the API makes, as its agent calls them. */
export const OWNER = 'api:default';

/** Makes threads through the API of a project; what comes back names them in turn. */
export async function threadsOf(stack: Stack): Promise<() => string> {
  const client = new Client(stack);
  const threads: string[] = [];
  while (threads.length < THREADS) threads.push(await client.newThread());
  let turn = 0;
  return () => threads[turn++ % THREADS] as string;
}

/** Turns through the API of a project, each in the next thread. */
export function turnsThrough(stack: Stack, next: () => string, message: string): Target {
  const { base, headers } = new Client(stack);
  return { url: base, path: () => `/v1/threads/${next()}/messages`, headers, body: () => ({ message }) };
}
