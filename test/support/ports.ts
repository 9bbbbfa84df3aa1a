import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Linux gives outgoing connections ports from 32768 on, and one could take that of a container which is down just then.
// Browsers refuse some ports up to 10080.
const [LOWEST, END] = [11_000, 32_768];

/** The flags for two ports that nobody uses, so that stacks can run beside whatever runs on the machine. */
/** A port that nobody uses. */
export async function freePorts(): Promise<string[]> {
  const [agent, interface_] = await Promise.all([freePort(), freePort()]);
  return ['--agent-port', String(agent), '--interface-port', String(interface_)];
}

/** A port that nobody uses. */
export async function freePort(): Promise<number> {
  const port = randomInt(LOWEST, END);
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return freePort();
    throw error;
  }
  server.close();
  return port;
}
