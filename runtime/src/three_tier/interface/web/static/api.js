// The calls to the server. Addresses are relative, so that they work wherever a proxy puts the page. A call that finds
// the session ended sends `signed-out` to the window.

const PAGE_SIZE = 50;

/** Why a call failed; `message` is a sentence for people. Status 0 means that there was no answer at all. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the same call may work once server and agent are there again. */
  get isOutage() {
    return this.status === 0 || this.status === 503;
  }
}

export const getSession = () => json('GET', 'session');
export const signIn = (secret) => call('POST', 'session', secret);
export const signOut = () => call('DELETE', 'session');
export const signOutEverywhere = () => call('DELETE', 'sessions');
export const getAgent = () => json('GET', 'agent');

export const listThreads = (before) => json('GET', `threads?${page(before)}`);

/** Makes a conversation. The same `key` again asks for the same one. */
export const createThread = (title, key, signal) =>
  json('POST', 'threads', { title }, { signal, headers: { 'Idempotency-Key': key } });

export const renameThread = (id, title) => call('PATCH', `threads/${encodeURIComponent(id)}`, { title });
export const deleteThread = (id) => call('DELETE', `threads/${encodeURIComponent(id)}`);
export const listMessages = (id, before) => json('GET', `threads/${encodeURIComponent(id)}/messages?${page(before)}`);

/** Sends a message and yields the events of the reply. The same `key` again asks for the same reply. */
export async function* ask(id, message, key, signal) {
  const path = `threads/${encodeURIComponent(id)}/messages`;
  const response = await call('POST', path, { message }, { signal, headers: { 'Idempotency-Key': key } });
  for await (const line of lines(response)) {
    if (line === 'data: [DONE]') return;
    if (!line.startsWith('data: ')) continue;
    const event = JSON.parse(line.slice('data: '.length));
    if (event.type === 'error') throw new Problem(event.status, event.detail);
    yield event;
  }
  throw disconnected();
}

function page(before) {
  return new URLSearchParams(before === undefined ? { limit: PAGE_SIZE } : { limit: PAGE_SIZE, before });
}

async function json(...request) {
  const response = await call(...request);
  try {
    return await response.json();
  } catch (error) {
    throw failure(error);
  }
}

async function call(method, path, body, { signal, headers = {} } = {}) {
  const request = { method, signal, headers: { 'Content-Type': 'application/json', ...headers } };
  if (body !== undefined) request.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    throw failure(error);
  }
  if (response.ok) return response;
  const { detail } = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== 'session') dispatchEvent(new CustomEvent('signed-out', { detail }));
  throw new Problem(detail ? response.status : 0, detail ?? `The server cannot be reached (${response.status}).`);
}

async function* lines(response) {
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split('\n');
      rest = parts.pop();
      yield* parts;
    }
  } catch (error) {
    throw failure(error);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What happened to a connection, unless the page itself gave the call up. */
function failure(error) {
  return error.name === 'AbortError' ? error : disconnected();
}

function disconnected() {
  return new Problem(0, 'The connection was lost.');
}
