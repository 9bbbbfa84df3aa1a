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

/** What the program has read of the project that it runs in, before it does anything. */
const READ = `
import os, sys
from pathlib import Path
sys.path.insert(0, "ops")
from operations.console import Console
from operations.context import Context
from operations.errors import Failure
from operations.programs import Programs, environment
console = Console()
context = Context(Path.cwd(), Path.cwd() / ".env", console, Programs(console, environment(os.environ)))
compose = context.compose()
`;

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

/** Passes standard input on as a log shows it. */
const MASK = 'print(console.mask(sys.stdin.read()), end="")';
/** A line for each port that is published. */
const PORTS = `
for port in compose.ports:
    ports = port.first if port.first == port.last else f"{port.first}-{port.last}"
    print(port.service, port.target, port.address, ports)
`;

describe('the settings of a project', () => {
  let folder: string;
  let env: string;

  before(async () => {
    const choice = { database: 'postgres', logic: 'business', interface: 'api' } as const;
    folder = await generate(temporaryFolder(), 'settled', choice);
    env = path.join(folder, '.env');
  });
  beforeEach(() => rmSync(env, { force: true }));

  const complete = () => execute(folder, 'ops/three-tier', ['env']);
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
  /** What the program says after it has read the project. */
  const program = async (test: Context, code: string, input = ''): Promise<string> => {
    const { status, stdout, output } = await check(test, 'python', ['-B', '-c', READ + code], folder, input);
    assert.equal(status, 0, output);
    return stdout;
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
    it(`are read by the program as Compose reads them: ${JSON.stringify(value)}`, async function () {
      assert.equal((await complete()).status, 0);
      appendFileSync(env, `BACKUP_UPLOAD_CMD=${value}\r\n`);
      const [expected] = await seen(this, 'BACKUP_UPLOAD_CMD');
      const read = await program(this, 'print(compose.value("BACKUP_UPLOAD_CMD"), end="")');
      assert.equal(read, expected);
    });
  }

  it('do not show their secrets in a log, however they are written', async function () {
    const secrets = ['one, "two" three', 'key-one-key-one-key', 'name:key-two-key-two-key'];
    writeFileSync(env, `DB_PASSWORD='${secrets[0]}'\r\nexport AGENT_TOKEN=${secrets[1]}\r\nAPI_KEYS: "${secrets[2]}"`);
    await seen(this, 'DB_PASSWORD'); // skips the test where there is no Docker
    assert.equal((await complete()).status, 0);
    const masked = await program(this, MASK, `the log: ${secrets.join(' and ')}\n`);
    assert.equal(masked, 'the log: *** and *** and ***\n');
  });

  it('do not show a secret that stands there twice, of which the last counts', async function () {
    writeFileSync(env, `DB_PASSWORD=the-one-of-before\nAGENT_TOKEN=a-token-that-is-long\nDB_PASSWORD=${PASSWORD}\n`);
    assert.deepEqual(await seen(this, 'DB_PASSWORD'), [PASSWORD]);
    assert.equal((await complete()).status, 0);
    assert.equal(await program(this, MASK, `the log: ${PASSWORD}\n`), 'the log: ***\n');
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
      const ports = ['settled-agent 8000 127.0.0.1 28461-28462', `settled-interface 8080 ${address} 28463`];
      const said = await program(this, PORTS);
      assert.deepEqual(said.trim().split('\n'), ports);
    }
    appendFileSync(env, 'INTERFACE_BIND=nowhere:1\n');
    const wrong = /^a port is to be published on 'nowhere:1' does not .* address: choose another in .*\.env$/m;
    assert.match(await program(this, `try:\n    compose.ports\nexcept Failure as failure:\n    print(failure)`), wrong);
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
