import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import type { Context } from 'mocha';
import { generate } from './support/combinations.ts';
import { execute } from './support/execute.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { check } from './support/tools.ts';

const PASSWORD = 'a-long-enough-password';

/** Lines of .env that all say the same to Compose. */
const LINES: Record<string, string> = {
  plain: `DB_PASSWORD=${PASSWORD}`,
  'with a comment': `DB_PASSWORD=${PASSWORD} # it's mine`,
  'in single quotes': `DB_PASSWORD='${PASSWORD}'`,
  'in double quotes, with a comment': `DB_PASSWORD="${PASSWORD}" # "mine"`,
  exported: `export DB_PASSWORD=${PASSWORD}`,
  'with blanks': `  DB_PASSWORD = "${PASSWORD}"  `,
  'with a colon': `DB_PASSWORD: ${PASSWORD}`,
  'with the line end of Windows': `DB_PASSWORD=${PASSWORD}\r`,
  'in quotes with the line end of Windows': `DB_PASSWORD='${PASSWORD}'\r`,
  'the second of two': `DB_PASSWORD=\nDB_PASSWORD=${PASSWORD}`,
};

/** Values in their notation, some of which no plain reading gets right. */
const VALUES: readonly string[] = [
  `'p@s:s/w#r%d "$x \\n{}&<>'`,
  '"a \\"quoted\\" word, and a backslash at the end\\\\"',
  '"two\nlines"',
  `"it's" # isn't it?`,
  "'it\\'s'",
  'no#comment',
  'über-größe-€',
  '"$$NOTHING and $NOTHING"',
];

describe('the settings of a project', () => {
  let folder: string;
  let env: string;

  before(async () => {
    const choice = { database: 'postgres', logic: 'business', interface: 'api' } as const;
    folder = await generate(temporaryFolder(), 'settled', choice);
    env = path.join(folder, '.env');
  });
  beforeEach(() => rmSync(env, { force: true }));

  const complete = () => execute(folder, 'ops/env.sh', []);
  /** What Compose makes of the variables in .env. */
  const seen = async (test: Context, ...variables: string[]): Promise<string[]> => {
    const environment = variables.map((variable) => `${variable}: "\${${variable}-is missing}"`).join(', ');
    const file = path.join(temporaryFolder(), 'compose.yml');
    writeFileSync(file, `services: {settings: {image: none, environment: {${environment}}}}`);
    const args = ['compose', '-p', 'settings', '--env-file', env, '-f', file, 'config', '--format', 'json'];
    const { status, stdout, output } = await check(test, 'docker', args, folder);
    assert.equal(status, 0, output);
    const values = JSON.parse(stdout).services.settings.environment;
    return variables.map((variable) => values[variable].replaceAll('$$', '$'));
  };
  /** What the scripts make of one. */
  const setting = async (variable: string): Promise<string> => {
    const { status, stdout, output } = await execute(folder, 'bash', [
      '-c',
      `source ops/common.sh && setting ${variable}`,
    ]);
    assert.equal(status, 0, output);
    return stdout.slice(0, -1);
  };

  for (const [what, line] of Object.entries(LINES)) {
    it(`are kept where one stands there ${what}`, async function () {
      writeFileSync(env, `# mine\n${line}`); // without a newline at the end
      assert.deepEqual(await seen(this, 'DB_PASSWORD'), [PASSWORD]);
      const { status, output } = await complete();
      assert.equal(status, 0, output);
      assert.doesNotMatch(output, /generated:.*\bDB_PASSWORD\b|(added|not used).*\bDB_PASSWORD\b/);
      const [password, token] = await seen(this, 'DB_PASSWORD', 'AGENT_TOKEN');
      assert.deepEqual([password, token?.length], [PASSWORD, 48]);
      const completed = readFileSync(env, 'utf8');
      assert.deepEqual(await complete(), { status: 0, stdout: '', stderr: '', output: '' });
      assert.equal(readFileSync(env, 'utf8'), completed, 'a second run changes nothing');
    });
  }

  for (const line of ['=', "=''", '="" # blank', '=\r', ' = # to be generated', `=${PASSWORD}\nDB_PASSWORD=`]) {
    it(`are generated where one is blank: ${JSON.stringify(line)}`, async function () {
      writeFileSync(env, `DB_PASSWORD${line}\n`);
      const { status, output } = await complete();
      assert.equal(status, 0, output);
      assert.match((await seen(this, 'DB_PASSWORD'))[0] ?? '', /^[0-9a-f]{48}$/);
    });
  }

  for (const line of [
    '"short" # a "comment" that is long enough',
    'short # a comment that is long enough',
    'short      \r',
  ]) {
    it(`are refused where a secret is short: ${JSON.stringify(line)}`, async () => {
      writeFileSync(env, `DB_PASSWORD=${line}\n`);
      const { status, output } = await complete();
      assert.equal(status, 1, output);
      assert.match(output, /^✗ DB_PASSWORD in .* is a default, or has less than 12 characters/);
    });
  }

  it('are completed where all of them have the line ends of Windows, and the port is in use', async function () {
    const template = path.join(folder, '.env.template');
    const contents = readFileSync(template, 'utf8');
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    try {
      const busy = contents.replace(/^AGENT_PORT=.*$/m, `AGENT_PORT=${port}`);
      writeFileSync(template, `\ufeff${busy.replaceAll('\n', '\r\n')}`);
      const { status, output } = await complete();
      assert.equal(status, 0, output);
      const [token, moved, name] = await seen(this, 'AGENT_TOKEN', 'AGENT_PORT', 'DB_NAME');
      assert.match(token ?? '', /^[0-9a-f]{48}$/);
      assert.ok(Number(moved) > port, `${moved} is after ${port}`);
      assert.equal(name, 'settled');
      assert.equal((await complete()).output, '', 'a second run changes nothing');
    } finally {
      server.close();
      writeFileSync(template, contents);
    }
  });

  for (const value of VALUES) {
    it(`are read by the scripts as Compose reads them: ${JSON.stringify(value)}`, async function () {
      assert.equal((await complete()).status, 0);
      appendFileSync(env, `BACKUP_UPLOAD_CMD=${value}\r\n`);
      const [expected] = await seen(this, 'BACKUP_UPLOAD_CMD');
      assert.equal(await setting('BACKUP_UPLOAD_CMD'), expected);
    });
  }

  it('do not show their secrets in a log, however they are written', async function () {
    const secrets = ['one, "two" three', 'key-one-key-one', 'name:key-two-key-two'];
    writeFileSync(env, `DB_PASSWORD='${secrets[0]}'\r\nexport AGENT_TOKEN=${secrets[1]}\r\nAPI_KEYS: "${secrets[2]}"`);
    await seen(this, 'DB_PASSWORD'); // skips the test where there is no Docker
    const script = 'source ops/common.sh && without_secrets';
    const { status, stdout } = await execute(folder, 'bash', ['-c', script], `the log: ${secrets.join(' and ')}\n`);
    assert.deepEqual([status, stdout], [0, 'the log: *** and *** and ***\n']);
  });

  it('do not show a secret that stands there twice, of which the last counts', async function () {
    writeFileSync(env, `DB_PASSWORD=the-one-of-before\nAGENT_TOKEN=a-token-that-is-long\nDB_PASSWORD=${PASSWORD}\n`);
    assert.deepEqual(await seen(this, 'DB_PASSWORD'), [PASSWORD]);
    const script = 'source ops/common.sh && without_secrets';
    const { status, stdout, output } = await execute(folder, 'bash', ['-c', script], `the log: ${PASSWORD}\n`);
    assert.deepEqual([status, stdout], [0, 'the log: ***\n'], output);
  });

  it('give each port that is published in the notation of Docker', async function () {
    const addresses: [line: string, address: string][] = [
      ['', '127.0.0.1'],
      ['INTERFACE_BIND=0:0:0:0:0:0:0:1', '::1'],
      ['INTERFACE_BIND=2001:DB8:0:0::0001', '2001:db8::1'],
    ];
    for (const [line, address] of addresses) {
      const range = 'AGENT_REPLICAS=2\nAGENT_PORT=28461-28462';
      writeFileSync(env, `DB_NAME=x\nINTERFACE_PORT=28463\n${range}\n${line}\n`);
      assert.equal((await complete()).status, 0);
      await seen(this, 'DB_NAME');
      const { status, stdout, output } = await execute(folder, 'bash', [
        '-c',
        'source ops/common.sh && read_config && declared_ports',
      ]);
      assert.equal(status, 0, output);
      const ports = ['settled-agent 8000 127.0.0.1 28461-28462', `settled-interface 8080 ${address} 28463`];
      assert.deepEqual(stdout.trim().split('\n'), ports);
    }
    appendFileSync(env, 'INTERFACE_BIND=nowhere:1\n');
    const { status, stderr } = await execute(folder, 'bash', [
      '-c',
      'source ops/common.sh && read_config && declared_ports',
    ]);
    assert.equal(status, 1, stderr);
    assert.match(
      stderr,
      /^✗ nowhere:1, where a port is to be published, is not an address: choose another in .*\.env$/m,
    );
  });

  it('and all other files are the same in a clone that converts line ends', async function () {
    const git = async (cwd: string, ...args: string[]) => {
      const author = ['-c', 'user.name=x', '-c', 'user.email=x@example.com'];
      const { status, output } = await check(this, 'git', [...author, ...args], cwd);
      assert.equal(status, 0, output);
    };
    await git(folder, 'init', '--quiet');
    await git(folder, 'add', '--all');
    await git(folder, 'commit', '--quiet', '--message', 'x');
    const clone = path.join(temporaryFolder(), 'clone');
    await git(folder, '-c', 'core.autocrlf=true', 'clone', '--quiet', folder, clone);
    const files = [...readTree(clone)].filter(([file]) => !file.startsWith('.git/'));
    const originals = readTree(folder);
    assert.ok(files.length > 50);
    for (const [file, contents] of files) {
      assert.ok(contents === originals.get(file), file);
    }
    rmSync(path.join(folder, '.git'), { recursive: true });
  });
});
