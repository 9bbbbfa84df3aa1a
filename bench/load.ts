import { Agent, request } from 'node:http';

/** Something that is asked over and over. */
export interface Target {
  readonly url: string;
  /** What follows, where each request goes to another place. */
  readonly path?: () => string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: () => object;
}

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request, in milliseconds. */
  readonly latencies: readonly number[];
}

const PATIENCE = 30_000; // milliseconds for one request

/** Asks from `connections` callers at once, each as soon as it has its answer, for about `seconds`. */
export async function load(target: Target, connections: number, seconds: number): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies: number[] = [];
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const caller = async () => {
    while (elapsed() < seconds) {
      const asked = performance.now();
      await post(target, agent);
      latencies.push(performance.now() - asked);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, caller));
  } finally {
    agent.destroy();
  }
  return { requests: latencies.length, seconds: elapsed(), latencies };
}

function post({ url, path = () => '', headers, body }: Target, agent: Agent): Promise<void> {
  const text = JSON.stringify(body());
  return new Promise((resolve, reject) => {
    const sent = request(url + path(), {
      agent,
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
      timeout: PATIENCE,
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url}: no answer within ${PATIENCE} ms`)));
    sent.on('error', reject);
    sent.on('response', (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${url}: ${response.statusCode}`)),
      );
    });
    sent.end(text);
  });
}
