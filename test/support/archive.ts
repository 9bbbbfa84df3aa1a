import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

// biome-ignore lint/suspicious/noExplicitAny: lines of several kinds
type Line = any;

/** A thread as a file of ops/three-tier export holds it, with its messages. */
export interface Archived {
  readonly thread: Line;
  readonly messages: Line[];
}

const START = Date.UTC(2026, 0, 1);

/** A moment with microseconds, a few hundred of them later each time. */
function moment(n: number): string {
  return `${new Date(START + n).toISOString().slice(0, -1)}${String(100 + (n % 900))}+00:00`;
}

/** Threads of several owners, whose names begin with `prefix`: questions and answers, with tools, and one unanswered. */
export function invent(prefix: string, threads: number, turns: number): Archived[] {
  let n = 0;
  return Array.from({ length: threads }, (_, t) => {
    const owner = `${prefix}:owner-${t % 7}`;
    const id = `thread-${t}`;
    const messages: Line[] = [];
    const add = (turn: string, role: string, content: string, data: Line = null, usage: Line = null) => {
      n += 3;
      messages.push({ id: n, turn, role, content, data, usage, created_at: moment(n) });
    };
    const thread = {
      owner,
      id,
      title: t % 2 ? `title 🙂 ${t}` : null,
      created_at: moment(n),
      updated_at: moment(n + 1),
    };
    for (let turn = 0; turn < turns; turn++) {
      const key = `${id}/${turn}`;
      add(key, 'user', `question ${turn} 🙂 \r\n\t שלום`);
      if (turn % 5 === 4) add(key, 'assistant', '', { calls: [{ b: 1, a: '\0 \ud800' }], none: null, half: 0.5 });
      if (turn % 5 === 4) add(key, 'tool', '3', { id: turn });
      add(key, 'assistant', `answer ${turn}`, null, { total_tokens: turn, input_tokens: 1 });
    }
    add(`${id}/open`, 'user', 'unanswered');
    return { thread, messages };
  });
}

/** Writes a file as ops/three-tier export does. */
export function writeArchive(file: string, archived: readonly Archived[]): void {
  const header = { format: 'threads', version: 1, agent: 'tested', exported_at: moment(0) };
  const records = archived.flatMap(({ thread, messages }) => [{ thread }, ...messages.map((message) => ({ message }))]);
  const lines = [header, ...records].map((record) => `${JSON.stringify(record)}\n`).join('');
  const sha256 = createHash('sha256').update(lines).digest('hex');
  const end = { threads: archived.length, messages: records.length - archived.length, sha256 };
  writeFileSync(file, gzipSync(`${lines}${JSON.stringify({ end })}\n`), { mode: 0o600 });
}

/** What such a file holds, in the order of owners and names; of times what every database keeps, the milliseconds. */
export function readArchive(file: string, prefix = ''): Archived[] {
  const found: Archived[] = [];
  for (const line of gunzipSync(readFileSync(file)).toString().split('\n').slice(1, -2)) {
    const { thread, message } = JSON.parse(line);
    if (thread) found.push({ thread, messages: [] });
    else if (message) found.at(-1)?.messages.push(message);
  }
  return rounded(found.filter(({ thread }) => thread.owner.startsWith(prefix)));
}

export function rounded(archived: readonly Archived[]): Archived[] {
  const round = (line: Line) => ({
    ...line,
    created_at: Date.parse(line.created_at),
    ...(line.updated_at ? { updated_at: Date.parse(line.updated_at) } : {}),
  });
  const name = ({ thread }: Archived) => `${thread.owner} ${thread.id}`;
  return archived
    .map(({ thread, messages }) => ({ thread: round(thread), messages: messages.map(round) }))
    .sort((a, b) => (name(a) < name(b) ? -1 : 1));
}

export function countMessages(archived: readonly Archived[]): number {
  return archived.reduce((sum, { messages }) => sum + messages.length, 0);
}
