import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { figuresAtTheEnd } from '../support/figures.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';
import { mountDisk, unmount } from '../support/root.ts';
import { Traffic } from '../support/traffic.ts';

const MANIFEST_SIZE = 4096;
/** A message that no log may show. */
const MARKED = 'qzxjvkw 4711';

/** The idempotency key that it was said with. */
const OLD_KEY = 'an-old-key';

/** What destroys the messages, with the administrator's password. */
const LOSSES: Record<DatabaseId, string> = {
  postgres: 'psql -Xq -U postgres -d $POSTGRES_DB -c "drop table messages"',
  redis: 'REDISCLI_AUTH=$DB_ADMIN_PASSWORD redis-cli -e --user admin flushall',
  mongo:
    'mongosh --quiet -u root -p $MONGO_INITDB_ROOT_PASSWORD --authenticationDatabase admin $MONGO_INITDB_DATABASE' +
    ' --eval "db.messages.deleteMany({})"',
};

/** One row a scenario, printed at the end. */
const scenarios = figuresAtTheEnd();

for (const database of Object.keys(databases) as DatabaseId[]) {
  describe(`the backups of ${database}`, () => {
    let stack: Stack;
    let client: Client;
    let thread: string;
    let replied: unknown;
    /** Written under load. */
    let backup: string;

    const timed = async (scenario: string, script: string, ...args: string[]) => {
      const start = performance.now();
      const finished = await stack.run(script, ...args);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      scenarios.push({ database, scenario, seconds, 'exit status': String(finished.status) });
      return finished;
    };
    const write = async (): Promise<string> => {
      const { status, stdout, output } = await stack.run('ops/three-tier', 'backup');
      assert.equal(status, 0, output);
      return stdout.trimEnd().split('\n').at(-1) as string;
    };
    const volumes = async () =>
      (await stack.docker('volume', 'ls', '--quiet', '--filter', `name=^${stack.name}_`)).split('\n').sort();
    const { service, volume } = databases[database];
    const dataVolume = () =>
      `${stack.name}_${stack.name}_${volume}${stack.setting(`${service.toUpperCase()}_DATA_SUFFIX`)}`;
    const mountedVolume = async () => {
      const format = '{{range .Mounts}}{{.Name}} {{end}}';
      const names = await stack.inspect(service, format);
      return names.split(' ').find((name) => name.startsWith(`${stack.name}_`));
    };
    const newest = () => path.join(path.dirname(backup), `${stack.name}-29991231T235959Z.backup`);
    const leftovers = async () => stack.docker('ps', '--all', '--quiet', '--filter', `name=^${stack.name}_restore`);
    const remembers = async () => {
      const { status, body } = await client.say(thread, MARKED, OLD_KEY);
      assert.equal(status, 200);
      assert.deepEqual(body, replied, 'the old key has its old reply');
      assert.deepEqual(
        (await client.history(thread)).map(({ role }) => role),
        ['user', 'assistant'],
      );
    };

    before(async () => {
      const project = await generate(
        temporaryFolder(),
        `backup-${database}`,
        { database, logic: 'business', interface: 'api' },
        ...(await freePorts()),
      );
      await stopRestore(new Stack(project));
      stack = await Stack.fresh(project);
      stack.configure('RATE_LIMIT=');
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      client = new Client(stack);
      thread = await client.newThread();
      const answer = await client.say(thread, MARKED, OLD_KEY);
      assert.equal(answer.status, 200);
      replied = answer.body;
    });
    after(async () => {
      await stopRestore(stack);
      await stack.remove();
    });

    it('bring everything back that was acknowledged before, in order, after down -v', async () => {
      const traffic = await Traffic.start([client], 4);
      await until('there is load', 20, async () =>
        [...traffic.acknowledged.values()].every(({ length }) => length > 5),
      );
      const before = traffic.acknowledged;
      backup = await write();
      const tally = await traffic.stop();
      assert.deepEqual(tally, { ...tally, acknowledged: tally.sent, lost: 0, doubled: 0, ordered: true });
      const said = traffic.acknowledged;

      await stack.compose('down', '--volumes', '--timeout', '5');
      assert.deepEqual(await volumes(), [''], 'nothing is left of the data');
      const { status, output } = await timed('restore after down -v', 'ops/three-tier', 'restore', backup);
      assert.equal(status, 0, output);
      await stack.compose('up', '--detach', '--wait');
      await remembers();
      for (const [each, texts] of before) {
        const history = await client.history(each);
        const questions = history.filter(({ role }) => role === 'user').map(({ content }) => content);
        assert.ok(questions.length >= texts.length, `${questions.length} of ${texts.length} are back`);
        const all = [...(said.get(each) as string[])];
        assert.deepEqual(questions, all.slice(0, questions.length), 'in their order');
        const replies = history.filter(({ role }) => role === 'assistant').map(({ content }) => content);
        for (const [n, text] of texts.entries()) assert.ok(replies[n]?.includes(text), `${replies[n]} answers ${text}`);
        assert.ok(await client.insist(each, 'what follows'), 'the thread goes on');
      }
    });

    it('are files of their owner alone, without a secret, with a manifest', async () => {
      assert.equal(statSync(backup).mode & 0o777, 0o600);
      const { manifest, data } = open(backup);
      const plain = gunzipSync(data).toString('latin1');
      for (const variable of ['DB_PASSWORD', 'DB_ADMIN_PASSWORD', 'AGENT_TOKEN']) {
        const secret = stack.setting(variable);
        assert.ok(secret.length > 20 && !plain.includes(secret), variable);
      }
      assert.equal(manifest.get('project'), stack.name);
      assert.equal(manifest.get('database'), database);
      assert.match(manifest.get('taken') ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.match(manifest.get('holds') ?? '', /^\d+ threads, \d+ messages/);
    });

    it('are made one after the other when two are begun at once', async () => {
      const both = await Promise.all([stack.run('ops/three-tier', 'backup'), stack.run('ops/three-tier', 'backup')]);
      const files = both.map(({ stdout }) => stdout.trimEnd().split('\n').at(-1) as string);
      for (const [n, { status, output }] of both.entries()) {
        assert.equal(status, 0, output);
        assert.equal(open(files[n] as string).manifest.get('project'), stack.name);
        rmSync(files[n] as string);
      }
      assert.notEqual(files[0], files[1]);
      assert.equal(both.filter(({ output }) => output.includes('another run is at work here (backup,')).length, 1);
    });

    it('are not half-written on a full disk', async function () {
      const folder = path.dirname(backup);
      if (!mountDisk(folder, `size=8k,uid=${process.getuid?.()},gid=${process.getgid?.()},mode=700`))
        return this.skip();
      try {
        const { status, stdout, output } = await timed('backup on a full disk', 'ops/three-tier', 'backup');
        assert.equal(status, 1, output);
        assert.match(output, /✗ no backup was written: .*No space left on device.*; those in .* are as they were/s);
        assert.equal(stdout, '');
        assert.deepEqual(readdirSync(folder), []);
      } finally {
        unmount(folder);
      }
    });

    it('are refused if anything is wrong with them, and nothing is touched', async () => {
      const [whole, key] = [readFileSync(backup), stack.setting('BACKUP_KEY')];
      const flipped = Buffer.from(whole);
      flipped[MANIFEST_SIZE + 40] = (flipped[MANIFEST_SIZE + 40] as number) ^ 1;
      const wrong: [string, Buffer, RegExp][] = [
        ['truncated in its data', whole.subarray(0, whole.length - 100), /truncated/],
        ['truncated in its manifest', whole.subarray(0, 200), /altered|cut off/],
        ['empty', Buffer.alloc(0), /no backup/],
        ['no backup at all', Buffer.from('-- some other dump\n'.repeat(1000)), /no backup/],
        ['altered in its data', flipped, /altered/],
        [
          'altered in its manifest',
          Buffer.from(whole.toString('latin1').replace('copy: ', 'copy: x'), 'latin1'),
          /altered/,
        ],
        ['of another project', signed(backup, { project: 'another' }, key), /of the project another/],
        ['of another database', signed(backup, { database: 'another' }, key), /of another/],
        [
          'of a newer schema',
          signed(backup, { schema: '99' }, key),
          /schema 99, and this project knows \d+: update the project/,
        ],
        ['of a newer format', signed(backup, { 'backup format': '99' }, key), /format is 99/],
        ['that nobody signed, as version 0.1 did not', signed(backup, {}, ''), /nobody has signed it/],
        ['signed with another key', signed(backup, {}, 'x'.repeat(48)), /signed with another BACKUP_KEY/],
      ];
      const before = [await volumes(), readFileSync(path.join(stack.folder, '.env'), 'utf8')];
      const started = await stack.inspect(service, '{{.Id}} {{.State.StartedAt}}');
      for (const [what, contents, reason] of wrong) {
        const file = path.join(temporaryFolder(), 'wrong.backup');
        writeFileSync(file, contents);
        const { status, output } = await stack.run('ops/three-tier', 'restore', file);
        assert.equal(status, 1, `${what}: ${output}`);
        assert.match(output, reason, what);
        assert.match(output, /Nothing was changed/, what);
      }
      assert.deepEqual([await volumes(), readFileSync(path.join(stack.folder, '.env'), 'utf8')], before);
      assert.equal(await stack.inspect(service, '{{.Id}} {{.State.StartedAt}}'), started);
    });

    it('pass the drill, which leaves nothing behind, even one of an older schema', async () => {
      const before = await volumes();
      writeFileSync(newest(), signed(backup, { schema: '0' }, stack.setting('BACKUP_KEY')));
      const { status, output } = await timed('drill', 'ops/three-tier', 'restore', '--drill');
      rmSync(newest());
      assert.equal(status, 0, output);
      assert.match(output, /can be restored: \d+ threads/);
      assert.deepEqual([await volumes(), await leftovers()], [before, '']);
      await remembers();
    });

    it('are restored without a signature where one says so, but for what changes the roles of the server', async () => {
      const before = await volumes();
      const drill = (...flags: string[]) => stack.run('ops/three-tier', 'restore', '--drill', ...flags);
      writeFileSync(newest(), signed(backup, {}, ''));
      const refused = await drill();
      const believed = await drill('--unsigned');
      rmSync(newest());
      assert.equal(refused.status, 1, refused.output);
      assert.match(refused.output, /nobody has signed it.*--unsigned/);
      assert.equal(believed.status, 0, believed.output);
      if (database === 'postgres') {
        const dump = gunzipSync(open(backup).data);
        for (const [forged, reason] of [
          ['create role intruder superuser login;\n', /makes or changes roles/],
          ['\\! touch /tmp/forged\n', /refuses what is in the backup/],
        ] as const) {
          writeFileSync(newest(), signed(backup, {}, '', gzipSync(Buffer.concat([Buffer.from(forged), dump]))));
          const { status, output } = await drill('--unsigned');
          rmSync(newest());
          assert.equal(status, 1, output);
          assert.match(output, reason);
        }
      }
      assert.deepEqual([await volumes(), await leftovers()], [before, '']);
    });

    it('fail the drill when they are corrupt, even where all checksums of the file are right', async () => {
      const before = await volumes();
      await client.insist(await client.newThread(), 'said after the first backup');
      const file = await write();
      const later = open(file);
      rmSync(file);
      const corrupt: [string, Buffer, RegExp][] = [
        [
          'altered',
          Buffer.from(readFileSync(backup).map((byte, n) => (n === MANIFEST_SIZE + 40 ? ~byte : byte))),
          /altered/,
        ],
        [
          'fewer messages',
          signed(backup, {}, stack.setting('BACKUP_KEY'), later.data),
          /the backup held .* but what was restored is/,
        ],
        [
          'other messages',
          signed(backup, { holds: later.manifest.get('holds') as string }, stack.setting('BACKUP_KEY'), later.data),
          /not the\s+contents/,
        ],
      ];
      for (const [what, contents, reason] of corrupt) {
        writeFileSync(newest(), contents);
        const { status, output } = await timed(`drill: ${what}`, 'ops/three-tier', 'restore', '--drill');
        rmSync(newest());
        assert.equal(status, 1, output);
        assert.match(output, reason);
        assert.match(output, /Nothing was changed/);
        assert.deepEqual([await volumes(), await leftovers()], [before, '']);
      }
    });

    it('are restored by the same command again when it was killed, at whatever step', async () => {
      const [former, before] = [dataVolume(), await volumes()];
      await client.insist(await client.newThread(), 'said after the backup');

      await killAt(stack.folder, backup, '── compare');
      assert.equal(dataVolume(), former);
      await remembers();

      await killAt(stack.folder, backup, '── start the tiers');
      const switched = dataVolume();
      assert.notEqual(switched, former);

      const { status, output } = await timed('restore, killed twice before', 'ops/three-tier', 'restore', backup);
      assert.equal(status, 0, output);
      assert.ok(output.includes(`ops/three-tier restore --volume ${switched}`), 'the way back is said');
      assert.ok(output.includes(former), 'and what was in use before the kill');
      assert.deepEqual(await volumes(), [...before, switched, dataVolume()].sort(), 'nothing unfinished is left');
      assert.equal(await leftovers(), '');
      assert.equal(await mountedVolume(), dataVolume());
      await remembers();

      const back = await timed('back to the volume before', 'ops/three-tier', 'restore', '--volume', former);
      assert.equal(back.status, 0, back.output);
      assert.deepEqual([dataVolume(), await mountedVolume()], [former, former]);
      await remembers();
      const { body } = await client.call('GET', '/v1/threads?limit=1');
      assert.deepEqual((await client.history(body.data[0].thread_id))[0]?.content, 'said after the backup');
      await stack.compose('up', '--detach', '--wait');
      assert.equal(await mountedVolume(), former);
    });

    it('are kept for the hours and days that are set, and taken away by the command', async () => {
      const folder = path.dirname(backup);
      const name = (stamp: string, copy = stack.name) => `${copy}-${stamp}.backup`;
      const [old, older, foreign] = [name('20240101T000000Z'), name('20230101T000000Z'), name('20230101T000000Z', 'x')];
      for (const file of [old, older, foreign]) writeFileSync(path.join(folder, file), '');
      stack.configure('BACKUP_KEEP=0', 'BACKUP_DAYS=0');
      const first = await write();
      assert.ok(readdirSync(folder).includes(older), '0 is no limit');

      const away = temporaryFolder();
      stack.configure('BACKUP_KEEP=1', 'BACKUP_DAYS=0', `BACKUP_UPLOAD_CMD="cp -t ${away}"`);
      const second = await write();
      const names = (...files: string[]) => files.map((file) => path.basename(file)).sort();
      assert.deepEqual(readdirSync(folder).filter(isBackup).sort(), names(backup, first, second, foreign));
      assert.deepEqual(readdirSync(away), names(second));
      assert.deepEqual(readFileSync(path.join(away, path.basename(second))), readFileSync(second));

      writeFileSync(path.join(folder, old), '');
      stack.configure('BACKUP_KEEP=10', 'BACKUP_DAYS=30', 'BACKUP_UPLOAD_CMD=false');
      const { status, stdout, output } = await stack.run('ops/three-tier', 'backup');
      assert.equal(status, 1, output);
      const kept = readdirSync(folder).filter(isBackup).sort();
      assert.equal(kept.length, 5, 'the file is kept where only its upload failed');
      assert.ok(!kept.includes(old), 'too old');
      assert.match(output, /BACKUP_UPLOAD_CMD failed/);
      assert.equal(stdout, '');
      for (const log of readdirSync(path.join(stack.folder, 'logs'))) {
        const text = readFileSync(path.join(stack.folder, 'logs', log), 'utf8');
        assert.ok(!text.includes(stack.setting('DB_PASSWORD')) && !text.includes(MARKED), log);
      }
    });

    it('outlast those that hold far less, which each deployment and backup says', async () => {
      for (const file of readdirSync(path.dirname(backup))) rmSync(path.join(path.dirname(backup), file));
      stack.configure('BACKUP_KEEP="0h 1d"', 'BACKUP_DAYS=1', 'BACKUP_UPLOAD_CMD=');
      const full = await write();
      const { status, output } = await stack.inside(service, ['sh', '-c', LOSSES[database]]);
      assert.equal(status, 0, output);
      const deployed = await stack.deploy();
      assert.equal(deployed.status, 0, deployed.output);
      const warning = `! much was lost after ${path.basename(full)}, which had `;
      assert.match(
        deployed.output,
        / messages, and then 0\. It is kept\. To bring it back:\s+ops\/three-tier restore /,
      );
      assert.equal(deployed.output.split(warning).length, 3, 'once before anything is changed, and once at the end');
      for (let runs = 0; runs < 2; runs++) {
        const { output: said } = await stack.run('ops/three-tier', 'backup');
        assert.ok(said.includes(warning), said);
      }
      assert.equal(readdirSync(path.dirname(backup)).filter(isBackup).length, 2, 'the full one and the newest');
      const restored = await stack.run('ops/three-tier', 'restore', full);
      assert.equal(restored.status, 0, restored.output);
      await remembers();
      await write(); // in place of the one that held far less
      const { output: after } = await stack.run('ops/three-tier', 'backup');
      assert.ok(!after.includes('! much was lost'), after);
      assert.equal(readdirSync(path.dirname(backup)).filter(isBackup).length, 1);
    });
  });
}

const isBackup = (file: string) => file.endsWith('.backup');

/** The fields of a backup's manifest, and its data. */
function open(file: string): { manifest: Map<string, string>; data: Buffer } {
  const contents = readFileSync(file);
  const lines = contents.subarray(0, MANIFEST_SIZE).toString('latin1').trimEnd().split('\n');
  const manifest = new Map(lines.map((line) => line.split(': ') as [string, string]));
  return { manifest, data: contents.subarray(MANIFEST_SIZE) };
}

/** A backup with other fields or data, whose checksums and signature are right nevertheless; without a key, it has none. */
function signed(file: string, fields: Record<string, string>, key: string, data = open(file).data): Buffer {
  const { manifest } = open(file);
  for (const field of ['manifest sha256', 'signature']) manifest.delete(field);
  const changed = { ...fields, bytes: String(data.length), sha256: sha256(data) };
  for (const [field, value] of Object.entries(changed)) manifest.set(field, value);
  const lines = [...manifest].map(([field, value]) => `${field}: ${value}`).join('\n');
  const text = `${lines}\nmanifest sha256: ${sha256(`${lines}\n`)}`;
  const signature = key && `\nsignature: ${createHmac('sha256', key).update(text).digest('hex')}`;
  return Buffer.concat([Buffer.from(`${text}${signature}\n`.padEnd(MANIFEST_SIZE)), data]);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Starts a restore, and kills it when it says so. */
async function killAt(folder: string, backup: string, step: string): Promise<void> {
  const child = spawn('ops/three-tier', ['restore', backup], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk;
      if (said.includes(step)) child.kill('SIGKILL');
    });
  }
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL', said);
}

/** Removes the containers that a restore has left, which the project's own Compose file does not know. */
async function stopRestore(stack: Stack): Promise<void> {
  const project = ['--project-name', `${stack.name}_restore`];
  await stack.docker('compose', ...project, 'down', '--remove-orphans', '--timeout', '5');
}
