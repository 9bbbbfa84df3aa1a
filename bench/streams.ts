import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';

/** Where an agent is asked for a stream. */
export interface Endpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a streamed answer took, in milliseconds since it was asked for. */
export interface Streamed {
  readonly firstToken: number;
  readonly whole: number;
  readonly tokens: number;
}

const PATIENCE = 60_000; // milliseconds without an event

/** Asks for an answer as a stream of events, and reads it to its end. */
export function readStream(endpoint: Endpoint, agent: Agent, message: string, onFirst = () => {}): Promise<Streamed> {
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  return new Promise((resolve, reject) => {
    const sent = ask(endpoint, agent, message);
    sent.setTimeout(PATIENCE, () => sent.destroy(new Error(`${endpoint.url}: nothing for ${PATIENCE} ms`)));
    sent.on('error', reject);
    sent.on('response', (response) => {
      let [firstToken, tokens] = [0, 0];
      const hear = (event: string) => {
        if (event.startsWith('event: error')) reject(new Error(event));
        if (!event.startsWith('event: token')) return;
        if (tokens++) return;
        firstToken = elapsed();
        onFirst();
      };
      const last = readEvents(response, hear);
      response.on('error', reject);
      response.on('end', () => {
        const isWhole = response.statusCode === 200 && tokens > 0 && last().includes('[DONE]');
        if (isWhole) resolve({ firstToken, whole: elapsed(), tokens });
        else reject(new Error(`${endpoint.url}: ${response.statusCode} ${last()}`));
      });
    });
  });
}

/** Hands on each event; a call of what it returns gives the newest. */
function readEvents(response: IncomingMessage, hear: (event: string) => void): () => string {
  let [rest, newest] = ['', ''];
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop() as string;
    for (const event of events) {
      newest = event;
      hear(event);
    }
  });
  return () => newest || rest;
}

function ask({ url, headers }: Endpoint, agent: Agent, message: string): ClientRequest {
  const text = JSON.stringify({ message });
  const sent = request(url, {
    agent,
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
  });
  return sent.end(text);
}
