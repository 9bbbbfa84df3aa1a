import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../support/client.ts';
import { type Combination, combinations, generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute, VENV } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { freePorts } from '../support/ports.ts';
import { Raw, statusOf } from '../support/raw.ts';

const KEYS = { one: 'the-key-of-one-in-hostile-tests', two: 'the-key-of-two-in-hostile-tests' };
/** What is said, and must be in no log and no answer to anybody else. */
const MARK = 'a-mark-that-only-one-owner-may-see';
/**
 * A description cannot say that two fields exclude each other; the framework's `Allow` names one route's methods; and who
 * guesses keys too often is told 429, not 401: what a wrong key gets is tested above.
 */
const UNFIT = 'positive_data_acceptance,allow_header_conformance,ignored_auth';
const SOON = 15_000; // milliseconds in which others are answered, whatever somebody does

type Headers = Record<string, string>;

/** One of the two HTTP APIs, as a caller sees it. */
interface Api {
  readonly port: number;
  /** Where the threads are. */
  readonly threads: string;
  readonly one: Headers;
  readonly two: Headers;
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly isPrivate: boolean;
  readonly hasBody: boolean;
}

const [chosen] = combinations.filter((found) => found.logic === 'langgraph' && found.interface === 'api');

describe('hostile callers of the HTTP APIs', () => {
  let stack: Stack;
  let client: Client;
  let thread: string;
  let started: string[];
  const apis = {} as Record<'interface' | 'agent', Api>;

  let schemathesis: string;
  before(async () => {
    schemathesis = await installSchemathesis();
    stack = await deploy(
      'stack-hostile-api',
      chosen,
      'RATE_LIMIT=',
      `API_KEYS=${Object.entries(KEYS).map((key) => key.join(':'))}`,
    );
    const token = `Bearer ${stack.setting('AGENT_TOKEN')}`;
    apis.interface = {
      port: Number(stack.setting('INTERFACE_PORT')),
      threads: '/v1/threads',
      one: { Authorization: `Bearer ${KEYS.one}` },
      two: { Authorization: `Bearer ${KEYS.two}` },
    };
    apis.agent = {
      port: Number(stack.setting('AGENT_PORT')),
      threads: '/threads',
      one: { Authorization: token, 'X-Thread-Owner': 'api:one' },
      two: { Authorization: token, 'X-Thread-Owner': 'api:two' },
    };
    client = new Client(stack);
    thread = await client.newThread();
    await client.insist(thread, MARK);
    started = await startTimes();
  });
  after(() => stack?.remove());

  const startTimes = () =>
    Promise.all(['agent', 'interface'].map((tier) => stack.inspect(tier, '{{.Id}} {{.State.StartedAt}}')));

  /** Whatever happens, somebody else is answered soon, by the same processes. */
  const assertServes = async () => {
    const begun = Date.now();
    const { status } = await client.say(await client.newThread(), MARK);
    assert.equal(status, 200);
    assert.ok(Date.now() - begun < SOON, `a message took ${Date.now() - begun} ms`);
    assert.deepEqual(await startTimes(), started, 'nothing was restarted');
  };
  afterEach(assertServes);

  for (const tier of ['interface', 'agent'] as const) {
    describe(`the ${tier}`, () => {
      const api = () => apis[tier];
      const call = (method: string, place: string, headers: Headers, body?: string | Buffer) =>
        fetch(`http://127.0.0.1:${api().port}${place}`, {
          method,
          headers: { 'Content-Type': 'application/json', ...headers },
          ...(body === undefined ? {} : { body }),
          signal: AbortSignal.timeout(20_000),
        });
      const messages = (id = thread) => `${api().threads}/${id}/messages`;
      /** Where a message is sent to, and the rest of its body. */
      const asking = () => (tier === 'agent' ? '/invoke' : messages());

      const operations = async (): Promise<Operation[]> => {
        const { paths } = JSON.parse(await (await call('GET', '/openapi.json', api().one)).text());
        return Object.entries<object>(paths).flatMap(([place, methods]) =>
          Object.entries<{ security?: unknown; requestBody?: unknown }>(methods as never).map(
            ([method, operation]) => ({
              method: method.toUpperCase(),
              path: place,
              isPrivate: operation.security !== undefined,
              hasBody: operation.requestBody !== undefined,
            }),
          ),
        );
      };

      /** Calls an operation for the thread of one with a body that is right. */
      const perform = ({ method, path: place, hasBody }: Operation, headers: Headers) => {
        const at = place.replace('{thread_id}', thread).replace('{model}', stack.name);
        const bodies: Record<string, object> = {
          'POST /threads': { title: 'x' },
          'PATCH /threads': { owner: 'api:two' },
          'POST /messages': { message: 'x' },
          'POST /revocations': { session: 'x', opened_by: 1, expires_at: 2 },
          'PATCH /threads/{thread_id}': { title: 'x' },
          'POST /threads/{thread_id}/messages': { message: 'x' },
          'POST /invoke': { message: 'x', thread_id: thread },
          'POST /stream': { message: 'x', thread_id: thread },
          'POST /chat/completions': {
            model: stack.name,
            messages: [{ role: 'user', content: 'x' }],
            metadata: { thread_id: thread },
          },
        };
        const body = bodies[`${method} ${place.replace(/^\/v1/, '')}`];
        assert.equal(body !== undefined, hasBody, `a body for ${method} ${place} is missing here`);
        return call(method, at, headers, body && JSON.stringify(body));
      };

      it('lets nobody in without a valid token, wherever he knocks', async () => {
        const all = await operations();
        assert.deepEqual(
          all
            .filter(({ isPrivate }) => !isPrivate)
            .map(({ path: place }) => place)
            .sort(),
          ['/health', '/live'],
        );
        const { Authorization: token, ...rest } = api().one;
        const wrong = ['', 'Bearer wrong', `Basic ${token?.split(' ')[1]}`, `${token}x`];
        for (const operation of all.filter(({ isPrivate }) => isPrivate)) {
          for (const Authorization of wrong) {
            const answer = await perform(operation, Authorization ? { ...rest, Authorization } : rest);
            const what = `${operation.method} ${operation.path} with ${Authorization || 'nothing'}`;
            assert.equal(answer.status, 401, what);
            assert.equal(answer.headers.get('content-type'), 'application/problem+json', what);
          }
        }
      });

      it('shows a thread to its owner only', async () => {
        const before = await client.history(thread);
        for (const operation of (await operations()).filter(({ isPrivate }) => isPrivate)) {
          const answer = await perform(operation, api().two);
          const text = await answer.text();
          const concerns = /thread_id|invoke|stream|completions/.test(operation.path);
          const what = `${operation.method} ${operation.path}: ${answer.status} ${text}`;
          assert.equal(answer.status === 404, concerns, what);
          assert.ok(answer.status < 500, what);
          assert.ok(!text.includes(thread) && !text.includes(MARK), what);
        }
        assert.deepEqual(await client.history(thread), before);
      });

      it('answers each body that is not what it should be with the reason, and without the body', async () => {
        const whole = (message: string) => `{"message": ${message}}`;
        const bodies: Record<string, [body: string | Buffer, statuses: number[]]> = {
          'too long': [whole(`"${MARK.repeat(60_000)}"`), [413]],
          'arrays in arrays': ['['.repeat(200_000), [400, 422]],
          'objects in objects': ['{"message":'.repeat(50_000), [400, 422]],
          'closed arrays in arrays': [whole('['.repeat(100_000) + ']'.repeat(100_000)), [400, 422]],
          'a number without an end': [whole('9'.repeat(100_000)), [400, 422]],
          'a number too large': [whole('1e999'), [400, 422]],
          'no number': [whole('NaN'), [400, 422]],
          'half of a pair': [whole(`"${MARK}\\ud800"`), [422]],
          NUL: [whole(`"${MARK}\\u0000"`), [422]],
          'no UTF-8': [Buffer.from(whole(`"${MARK}\xff\xfe"`), 'latin1'), [400, 422]],
          'too many fields': [`{${Array.from({ length: 20_000 }, (_, n) => `"${MARK}${n}": 1`)}}`, [422]],
          'a field of ours': [`{"message": "x", "owner": "${MARK}"}`, [422]],
          'no object': [`["${MARK}"]`, [422]],
          'no JSON': [MARK, [400, 422]],
          nothing: ['', [422]],
        };
        for (const [what, [body, statuses]] of Object.entries(bodies)) {
          const answer = await call('POST', asking(), api().one, body);
          const text = await answer.text();
          assert.ok(statuses.includes(answer.status), `${what}: ${answer.status} ${text}`);
          assert.equal(answer.headers.get('content-type'), 'application/problem+json', what);
          assert.ok(text.length < 2_000 && !text.includes(MARK), `${what} is echoed`);
        }
      });

      it('ends a body that was not announced when it gets too long', async () => {
        const raw = (await Raw.open(api().port)).read();
        raw.socket.write(head('POST', asking(), { ...api().one, 'Transfer-Encoding': 'chunked' }));
        for (let n = 0; n < 40 && !raw.isClosed; n++) {
          raw.socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`);
          await sleep(5);
        }
        assert.match(await raw.until(/\r\n\r\n/, 10), /^HTTP\/1\.1 413 /);
        raw.close();
      });

      it('takes no thread for something else, whatever it is called', async () => {
        const names = [
          ...[
            '.',
            '..',
            '../..',
            '..%2f..%2finfo',
            '%2e%2e',
            '%2e%2e%2f%2e%2e%2finfo',
            '%252e%252e%252finfo',
            '..\\..\\info',
          ],
          ...[
            '%00',
            '%0d%0aX-Thread-Owner:%20api:two',
            '%0a',
            '%ff%fe',
            '%c0%ae%c0%ae',
            'a%2fb',
            ';id',
            '*',
            '%7bthread_id%7d',
          ],
          ...[
            'a'.repeat(129),
            'a'.repeat(20_000),
            `${thread}%00`,
            `${thread}%20`,
            `${thread}/`,
            `/${thread}`,
            '"quoted"',
          ],
        ];
        for (const name of names) {
          for (const [method, rest] of [
            ['GET', '/messages'],
            ['POST', '/messages'],
            ['PATCH', ''],
            ['DELETE', ''],
          ] as const) {
            const body = method === 'PATCH' ? '{"title": "x"}' : '{"message": "x"}';
            const length = { 'Content-Length': String(body.length), 'Content-Type': 'application/json' };
            const request = head(method, `${api().threads}/${name}${rest}`, { ...api().one, ...length }) + body;
            const status = await statusOf(api().port, Buffer.from(request, 'latin1'));
            assert.ok([400, 404, 405, 422].includes(status), `${method} ${name.slice(0, 50)}: ${status}`);
          }
        }
        assert.ok((await client.history(thread)).length > 0, 'the thread is still there');
      });

      it('takes no header for something else, however it is written', async () => {
        const list = (headers: string) =>
          `GET ${api().threads} HTTP/1.1\r\nHost: x\r\n${Object.entries(api().two)
            .map((line) => line.join(': '))
            .join('\r\n')}\r\n${headers}\r\n`;
        const odd: Record<string, string> = {
          'a line feed in a value': list('X-Some: a\nX-Thread-Owner: api:one\r\n'),
          'a carriage return in a value': list('X-Some: a\rX-Thread-Owner: api:one\r\n'),
          'a folded line': list('X-Some: a\r\n X-Thread-Owner: api:one\r\n'),
          'another owner': list('X-Thread-Owner: api:one\r\n'),
          'a key of odd bytes': list('Idempotency-Key: \xff\xfe\x80\r\n'),
          'two lengths': list('Content-Length: 0\r\nContent-Length: 5\r\n'),
          'a length and chunks': list('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'),
          'a length below zero': list('Content-Length: -1\r\n'),
          'a length that is no number': list('Content-Length: 1_0\r\n'),
          'a name with a blank': list('X-Thread-Owner : api:one\r\n'),
          'a long value': list(`X-Some: ${'x'.repeat(200_000)}\r\n`),
          'many values': list('X-Some: x\r\n'.repeat(20_000)),
          'another method': list('').replace('GET', 'TRACE'),
          'no method': list('').replace('GET', 'get it'),
          'another version': list('').replace('HTTP/1.1', 'HTTP/9.9'),
          'an upgrade': list('Connection: upgrade\r\nUpgrade: websocket\r\n'),
          'a proxy request': list('').replace(api().threads, `http://127.0.0.1:8000${api().threads}`),
          'a tunnel': 'CONNECT 127.0.0.1:8000 HTTP/1.1\r\nHost: x\r\n\r\n',
          'an asterisk': 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
          'a hello of TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        };
        for (const [what, bytes] of Object.entries(odd)) {
          const raw = (await Raw.open(api().port)).read();
          raw.socket.write(Buffer.from(bytes, 'latin1'));
          const answer = await raw.until(/\r\n\r\n(?:.|\n)*\}$|Invalid|too long/, 3);
          raw.close();
          const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
          assert.ok(status < 500, `${what}: ${answer}`);
          assert.ok(!answer.includes(thread), `${what} shows what belongs to another: ${answer}`);
        }
      });

      it('answers others while callers send a byte at a time', async () => {
        const half = head('POST', asking(), { ...api().one, 'Content-Length': '50' });
        const slow = await Promise.all(Array.from({ length: 100 }, () => Raw.open(api().port)));
        for (let n = 0; n < 20; n++) {
          for (const { socket } of slow.slice(0, 50)) socket.write(half.slice(n, n + 1)); // of the head
          for (const { socket } of slow.slice(50)) socket.write(n === 0 ? half : ' '); // of the body
          await sleep(50);
        }
        await assertServes();
        for (const raw of slow) raw.close();
      });

      it('answers others while 1,000 connections do nothing, and is rid of them when they close', async () => {
        const usual = await filesOf(stack, tier);
        const idle: Raw[] = [];
        for (let n = 0; n < 10; n++) {
          idle.push(...(await Promise.all(Array.from({ length: 100 }, () => Raw.open(api().port)))));
        }
        await until('all are accepted', 30, async () => (await filesOf(stack, tier)) >= usual + 1_000);
        await assertServes();
        for (const raw of idle) raw.close();
        await until('all are gone', 60, async () => (await filesOf(stack, tier)) <= usual + 20);
      });

      it('answers others while callers do not read their streams, and gives their threads back', async () => {
        const unread: Raw[] = [];
        const threads: string[] = [];
        const long = `${'word '.repeat(6_000)}`;
        for (let n = 0; n < 30; n++) {
          const id = await client.newThread();
          const body = JSON.stringify(
            tier === 'agent' ? { message: long, thread_id: id } : { message: long, stream: true },
          );
          const length = { 'Content-Length': String(body.length), 'Content-Type': 'application/json' };
          const raw = await Raw.open(api().port);
          raw.socket.write(
            head('POST', tier === 'agent' ? '/stream' : messages(id), { ...api().one, ...length }) + body,
          );
          unread.push(raw);
          threads.push(id);
        }
        await assertServes();
        for (const raw of unread) raw.close();
        for (const id of threads.slice(0, 5)) await client.insist(id, MARK, 60);
      });

      it('keeps what its description says, whatever is tried', async () => {
        const folder = temporaryFolder();
        writeFileSync(path.join(folder, 'schemathesis.toml'), 'hooks = "hooks.py"\n');
        writeFileSync(path.join(folder, 'hooks.py'), hooks(stack.name));
        const document = `http://127.0.0.1:${api().port}/openapi.json`;
        const headers = Object.entries(api().one).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
        const options = ['--phases', 'examples,coverage,fuzzing,stateful', '--max-examples', '20', '--seed', '1'];
        const { status, output } = await execute(folder, schemathesis, [
          ...['run', document, ...headers, ...options, '--exclude-checks', UNFIT, '--no-color'],
        ]);
        assert.equal(status, 0, output);
      });
    });
  }

  // A group of its own, since it is run after the others.
  describe('the logs', () => {
    it('hold no error, no word of all this, and no secret', async () => {
      const database = (await stack.compose('config', '--services'))
        .split('\n')
        .find((name) => !/-(agent|interface)$/.test(name));
      const container = await stack.container((database as string).slice(stack.name.length + 1));
      const answers = Promise.all(Array.from({ length: 4 }, async () => client.insist(await client.newThread(), MARK)));
      await stack.docker('pause', container);
      await sleep(2_000);
      await stack.docker('unpause', container); // so that the database has seen slow statements
      await answers;
      const logs = await stack.compose('logs', '--no-color');
      assert.match(logs, /Connected/);
      assert.ok(!logs.includes(MARK), 'what was said');
      const requests = logs.replace(/^.*"route": "\/health".*$/gm, ''); // 503 until all is connected
      assert.doesNotMatch(requests, /Traceback|"status": 5\d\d|"level": "(error|critical)"/);
      const env = readFileSync(path.join(stack.folder, '.env'), 'utf8');
      for (const [, variable, values = ''] of env.matchAll(/^(\w*(?:PASSWORD|TOKEN|KEYS))=(.+)$/gm)) {
        for (const secret of values.split(',').map((value) => value.split(':').at(-1) as string)) {
          assert.ok(!logs.includes(secret), `${variable} is in a log`);
        }
      }
    });
  });
});

const [page] = combinations.filter((found) => found.logic === 'business' && found.interface === 'web');

describe('hostile visitors of the page', () => {
  const OPEN = ['GET /', 'GET /health', 'GET /live', 'GET /session', 'POST /session', 'DELETE /session'];
  const LIST = `
import json
from three_tier.interface.web.app import create_app
from three_tier.interface.web.settings import Settings
paths = create_app(Settings()).app.openapi()["paths"]
print(json.dumps([[method.upper(), path] for path, methods in paths.items() for method in methods]))
`;
  let stack: Stack;
  before(async () => {
    stack = await deploy('stack-hostile-web', page, 'SESSION_HOURS=0.005');
  });
  after(() => stack?.remove());

  it('lets nobody in without a session that counts, wherever he knocks', async () => {
    const base = `http://127.0.0.1:${stack.setting('INTERFACE_PORT')}`;
    const call = (method: string, place: string, headers: Headers) =>
      fetch(base + place.replace('{thread_id}', 'some'), {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        ...(method === 'GET' ? {} : { body: '{"title": "x"}' }),
      });
    const { stdout, output } = await stack.inside('interface', ['python', '-c', LIST]);
    assert.match(stdout, /^\[/, output);
    const routes: [string, string][] = JSON.parse(stdout);
    const closed = routes.filter(([method, place]) => !OPEN.includes(`${method} ${place}`));
    assert.ok(closed.length >= 7, JSON.stringify(routes));

    const entry = await fetch(`${base}/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ password: stack.setting('WEB_PASSWORD') }),
    });
    const [cookie = ''] = (entry.headers.get('set-cookie') ?? '').split(';');
    const [name, value = ''] = cookie.split('=');
    for (const [method, place] of closed.filter((route) => route.join(' ') !== 'DELETE /sessions')) {
      const status = async (headers: Headers) => (await call(method, place, headers)).status;
      assert.ok(![401, 403].includes(await status({ Cookie: cookie })), `${method} ${place} with a session`);
      if (method !== 'GET') assert.equal(await status({ Cookie: cookie, 'Sec-Fetch-Site': 'cross-site' }), 403);
    }
    const forged = [`${value}x`, value.slice(1), value.split('.').toSpliced(1, 1, 'zzzzzz').join('.'), 'web:owner', ''];
    await until('the session ends', 60, async () => (await call('GET', '/threads', { Cookie: cookie })).status === 401);
    for (const [method, place] of closed) {
      assert.equal((await call(method, place, {})).status, 401, `${method} ${place} without a session`);
      for (const attempt of [value, ...forged]) {
        const { status } = await call(method, place, { Cookie: `${name}=${attempt}` });
        assert.equal(status, 401, `${method} ${place} with ${attempt === value ? 'an old session' : 'a forged one'}`);
      }
    }
  });
});

/** Generates a project and deploys it with these lines in its settings. */
async function deploy(name: string, choice: Combination | undefined, ...lines: string[]): Promise<Stack> {
  if (!choice) throw new Error('no such combination');
  const stack = await Stack.fresh(await generate(temporaryFolder(), name, choice, ...(await freePorts())));
  stack.configure(...lines);
  const { status, output } = await stack.deploy();
  assert.equal(status, 0, output);
  return stack;
}

/** Schemathesis from its lock, in an environment of its own: beside pytest it would slow down each of its starts. */
async function installSchemathesis(): Promise<string> {
  const folder = path.join(ROOT, '.venv-schemathesis');
  const lock = path.join(ROOT, 'python/schemathesis.txt');
  const python = path.join(folder, 'bin/python');
  for (const words of [
    ['venv', '--quiet', '--allow-existing', '--python', path.join(VENV, 'python'), folder],
    ['pip', 'sync', '--quiet', '--require-hashes', '--python', python, lock],
  ]) {
    const { status, output } = await execute(ROOT, path.join(VENV, 'uv'), words);
    assert.equal(status, 0, output);
  }
  return path.join(folder, 'bin/schemathesis');
}

/** Lets schemathesis name the one model that there is: no text that it makes up would be it. */
function hooks(model: string): string {
  return `
import schemathesis

@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        return {**body, "model": "${model}"}
    return body
`;
}

/** The head of a request. */
function head(method: string, place: string, headers: Headers): string {
  const lines = Object.entries({ Host: 'x', ...headers }).map((line) => `${line.join(': ')}\r\n`);
  return `${method} ${place} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** How many files and connections a tier's processes have open. */
async function filesOf(stack: Stack, tier: string): Promise<number> {
  const { stdout } = await stack.inside(tier, ['sh', '-c', 'ls /proc/[0-9]*/fd | wc -l']);
  return Number(stdout);
}
