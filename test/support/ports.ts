import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** The flags for two ports that nobody uses, so that stacks can run beside whatever runs on the machine. */
export async function freePorts(): Promise<string[]> {
  const [agent, interface_] = await Promise.all([freePort(), freePort()]);
  return ['--agent-port', String(agent), '--interface-port', String(interface_)];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
