import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';

describe('the health check of a tier', () => {
  let answer: string;
  let server: Server;
  let port: number;
  let script: string;
  let silent: string;

  beforeEach(async () => {
    answer = '';
    server = createServer((socket) => socket.on('error', () => {}).write(answer));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ({ port } = server.address() as { port: number });
    script = path.join(temporaryFolder(), 'health.sh');
    const contents = readFileSync(path.join(ROOT, 'runtime/src/three_tier/common/health.sh'), 'utf8');
    const impatient = contents.replace(/^PATIENCE=4 /m, 'PATIENCE=0.2 ');
    assert.notEqual(impatient, contents);
    writeFileSync(script, impatient);
    silent = path.join(path.dirname(script), 'checks-without-an-answer');
  });
  afterEach(() => server.close());

  /** What it prints, and its exit code. It ends no process: others of this machine may have that name. */
  async function check() {
    const env = { ...process.env, TMPDIR: path.dirname(script), LIVENESS_TIMEOUT: '0' };
    const asked = spawn('bash', [script, String(port), '/health'], { env });
    let printed = '';
    asked.stdout.on('data', (data) => {
      printed += data;
    });
    asked.stderr.on('data', (data) => {
      printed += data;
    });
    const [status] = await once(asked, 'close');
    return [status, printed];
  }

  /** Have the last check that counted been so many seconds earlier. */
  function age(seconds: number): void {
    const [count, counted] = readFileSync(silent, 'utf8').split(' ');
    writeFileSync(silent, `${count} ${Number(counted) - seconds}\n`);
  }

  it('counts checks without an answer, one in ten seconds however many there are', async () => {
    assert.deepEqual(await check(), [1, 'no answer, 1 times in a row\n']);
    for (let more = 0; more < 3; more += 1) assert.deepEqual(await check(), [1, 'no answer\n']);
    age(10);
    assert.deepEqual(await check(), [1, 'no answer, 2 times in a row\n']);
    assert.deepEqual(await check(), [1, 'no answer\n']);
  });

  it('forgets them when there is an answer, whatever it says', async () => {
    await check();
    answer = 'HTTP/1.1 503 Service Unavailable\r\n\r\n';
    assert.deepEqual(await check(), [1, '/health is answered with 503 Service Unavailable\n']);
    assert.ok(!existsSync(silent));
    answer = 'HTTP/1.1 200 OK\r\n\r\n';
    assert.deepEqual(await check(), [0, '']);
    answer = '';
    assert.deepEqual(await check(), [1, 'no answer, 1 times in a row\n']);
  });
});
