import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A reverse proxy that serves `target` below a path, which it takes away from each request. */
export async function serveBelow(path: string, target: string): Promise<{ address: string; close(): void }> {
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(path)) {
      outgoing.writeHead(404).end();
      return;
    }
    const url = new URL(`/${incoming.url.slice(path.length)}`, target);
    const { method, headers } = incoming;
    const onward = request(url, { method, headers: { ...headers, host: url.host } }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `http://127.0.0.1:${port}${path}`, close };
}
