import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { mountDisk, unmount } from './support/root.ts';

const YO = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).devDependencies.yo;
/** Root becomes somebody else, since yo refuses to be root and root may write anywhere. */
const USER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

const FLAGS = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
/** What Compose asks for in .env, as far as the template leaves it blank. */
const SECRETS = { DB_PASSWORD: 'x', DB_ADMIN_PASSWORD: 'x', AGENT_TOKEN: 'x', API_KEYS: 'x:x' };

/** The packed package, installed beside yo into an empty folder by a user with an own, empty home. */
describe('the package as users get it', () => {
  let home: string;

  function environment(): NodeJS.ProcessEnv {
    const certificates = process.env.NODE_EXTRA_CA_CERTS ?? '';
    const path = `${home}/node_modules/.bin:${process.env.PATH}`;
    return { PATH: path, HOME: home, NO_UPDATE_NOTIFIER: '1', NODE_EXTRA_CA_CERTS: certificates };
  }

  function run(cwd: string, program: string, ...args: string[]) {
    const { status, stdout, stderr } = spawnSync(program, args, {
      ...USER,
      cwd,
      encoding: 'utf8',
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = (stdout + stderr).split('\n').filter((line) => line.trim());
    return { status, stdout, stderr, lines, output: stdout + stderr };
  }

  /** Runs a command at a terminal where a person types each text once its question stands there. */
  async function typeAtTerminal(cwd: string, command: string, typed: readonly [question: RegExp, text: string][]) {
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      ...USER,
      cwd,
      env: environment(),
    });
    const open = [...typed];
    let [shown, all] = ['', ''];
    terminal.stdout.on('data', (text) => {
      all += text;
      shown += text;
      if (!open[0]?.[0].test(shown)) return;
      shown = '';
      terminal.stdin.write(open.shift()?.[1]);
    });
    const [status] = await once(terminal, 'close');
    assert.deepEqual(open, [], all);
    return { status, shown: all };
  }

  /** A new folder that the user owns. */
  function folder(name: string): string {
    const made = path.join(home, name);
    mkdirSync(made);
    if (USER.uid) chownSync(made, USER.uid, USER.gid);
    return made;
  }

  before(function () {
    this.timeout(300_000);
    home = temporaryFolder();
    chmodSync(home, 0o755);
    if (USER.uid) chownSync(home, USER.uid, USER.gid);
    const packed = spawnSync('npm', ['pack', '--pack-destination', home], { cwd: ROOT, encoding: 'utf8' });
    assert.equal(packed.status, 0, packed.stderr);
    const tarball = readdirSync(home).find((file) => file.endsWith('.tgz'));
    const installed = run(home, 'npm', 'install', ...FLAGS, `yo@${YO}`, `./${tarball}`);
    assert.equal(installed.status, 0, installed.output);
  });

  it('writes the same bytes by yo and by its own bin', () => {
    const [byYo, byBin] = [folder('by-yo'), folder('by-bin')];
    const yo = run(byYo, 'yo', 'three-tier', 'lyco', '--yes');
    const bin = run(byBin, 'generator-three-tier', 'lyco', '--yes');
    assert.deepEqual([yo.status, bin.status], [0, 0], yo.output + bin.output);
    assert.deepEqual(yo.lines, bin.lines, 'they say the same');
    const files = readTree(byYo);
    assert.ok(files.has('agents/lyco/.gitignore') && files.has('agents/lyco/.env.template'), 'dotfiles are packed');
    assert.deepEqual(files, readTree(byBin));
  });

  it('takes the flags of every question by yo, as by its own bin', () => {
    const [byYo, byBin] = [folder('flags-yo'), folder('flags-bin')];
    const words = ['--database', 'postgres', '--logic', 'langgraph', '--interface', 'api', '--agent-port', '9000'];
    const more = ['--interface-port', '9001', '--output', 'high', '--output', 'deep/down', '--yes', 'lyco'];
    run(byYo, 'yo', 'three-tier', ...words, ...more);
    run(byBin, 'generator-three-tier', ...words, ...more);
    assert.match(readFileSync(path.join(byYo, 'deep/down/.env.template'), 'utf8'), /^INTERFACE_PORT=9001$/m);
    assert.deepEqual(readTree(byYo), readTree(byBin));
  });

  for (const command of ['app', 'db', 'agent', 'interface', 'update']) {
    it(`lists the flags of ${command} with choices and defaults, by yo and by its own bin`, () => {
      const yo = run(home, 'yo', `three-tier:${command}`, '--help');
      const bin = run(home, 'generator-three-tier', command, '--help');
      assert.equal(yo.status, 0);
      assert.equal(yo.output, bin.output);
      assert.doesNotMatch(yo.output, /skip-install|ask-answered/);
      for (const flag of ['yes', 'dry-run', 'force']) assert.match(yo.output, new RegExp(` --${flag} +# \\w`));
    });
  }

  for (const command of ['yo three-tier', 'generator-three-tier']) {
    it(`asks a person at a terminal: ${command}`, async () => {
      const cwd = folder(`asked by ${command}`);
      const down = '\x1b[B';
      const { status, shown } = await typeAtTerminal(cwd, command, [
        [/called\?/, 'hades\r'],
        [/Which database.*PostgreSQL/s, `${down}\r`],
        [/What answers.*LangGraph/s, `${down}\r`],
        [/reach the agent.*API/s, '\r'],
      ]);
      assert.equal(status, 0, shown);
      const config = JSON.parse(readFileSync(path.join(cwd, 'agents/hades/.yo-rc.json'), 'utf8'));
      const { database, logic, interface: way } = config['generator-three-tier'];
      assert.deepEqual([database, logic, way], ['redis', 'business', 'api']);
    });

    it(`writes nothing where the person presses Ctrl-C, and says just that: ${command}`, async () => {
      const cwd = folder(`interrupted by ${command}`);
      const { status, shown } = await typeAtTerminal(cwd, command, [
        [/called\?/, 'hades\r'],
        [/Which database.*PostgreSQL/s, '\x03'],
      ]);
      assert.equal(status, 130, shown);
      assert.match(shown, /Nothing was written\.\r?\n$/);
      assert.doesNotMatch(shown, /Error|force closed/i);
      assert.deepEqual(readdirSync(cwd), []);
    });

    it(`says that nothing was written where the person presses Ctrl-C at a conflict: ${command}`, async () => {
      const cwd = folder(`conflict by ${command}`);
      run(cwd, 'generator-three-tier', 'lyco', '--yes');
      const project = path.join(cwd, 'agents/lyco');
      const template = path.join(project, '.env.template');
      writeFileSync(template, readFileSync(template, 'utf8').replace('AGENT_PORT=8000', 'AGENT_PORT=7000'));
      const before = readTree(project);
      const { status, shown } = await typeAtTerminal(project, `${command} --agent-port 9000`, [
        [/there is a new version/, '\x03'],
      ]);
      assert.equal(status, 130, shown);
      assert.match(shown, /Nothing was written\.\r?\n$/);
      assert.doesNotMatch(shown, /Error|force closed/i);
      assert.deepEqual(readTree(project), before);
    });

    it(`takes flags without a value with one, too, and their opposites: ${command}`, () => {
      const cwd = folder(`switched by ${command}`);
      const [program = '', ...first] = command.split(' ');
      const typed = (...words: string[]) => run(cwd, program, ...first, 'lyco', '--yes', ...words);
      const shown = typed('--dry-run=true');
      assert.deepEqual([shown.status, shown.stderr, readdirSync(cwd)], [0, '', []]);
      assert.match(shown.stdout, /^ +create docker-compose\.yml$/m);
      assert.equal(typed('--yes', '--no-dry-run', '--dry-run').stdout, shown.stdout);
      const maybe = typed('--force=maybe');
      assert.deepEqual([maybe.status, maybe.lines.length, readdirSync(cwd)], [1, 1, []], maybe.output);
      assert.match(maybe.output, /--force: "maybe" is neither true nor false; use --force or --no-force\.$/m);
      assert.equal(typed('--dry-run=false', '--no-force').status, 0);
      const template = path.join(cwd, 'agents/lyco/.env.template');
      const edited = readFileSync(template, 'utf8').replace('AGENT_PORT=8000', 'AGENT_PORT=7000');
      writeFileSync(template, edited);
      for (const opposite of ['--force=false', '--no-force']) {
        assert.equal(typed('--agent-port', opposite === '--no-force' ? '9001' : '9000', opposite).status, 1);
        assert.equal(readFileSync(template, 'utf8'), edited, opposite);
      }
      const noOutput = typed('--no-output');
      assert.deepEqual([noOutput.status, noOutput.lines.length], [1, 1], noOutput.output);
      assert.match(noOutput.output, /--no-output: --output takes a value; give one, or leave the flag out\.$/m);
    });
  }

  it('begins a project with one tier and updates it, by yo and by its own bin', () => {
    const outcomes = [
      ['yo', 'three-tier:'],
      ['generator-three-tier', ''],
    ].map(([program = '', prefix], number) => {
      const cwd = folder(`tier-${number}`);
      const typed = (command: string, ...words: string[]) =>
        program === 'yo' ? run(cwd, program, prefix + command, ...words) : run(cwd, program, command, ...words);
      const begun = typed('db', '--yes', '--name', 'lyco', '--database', 'redis');
      const updated = typed('update');
      assert.deepEqual([begun.status, updated.status], [0, 0], begun.output + updated.output);
      assert.deepEqual(updated.lines, ['lyco is up to date.']);
      return [begun.lines, readTree(cwd)] as const;
    });
    assert.deepEqual(outcomes[0], outcomes[1]);
  });

  describe('with the generator of docs/building-on-it.md beside it', () => {
    before(function () {
      this.timeout(300_000);
      const page = readFileSync(path.join(ROOT, 'docs/building-on-it.md'), 'utf8');
      const files = [...page.matchAll(/^`([\w./]+)`.*:\n\n```\w+\n([\s\S]*?)^```$/gm)];
      assert.equal(files.length, 4);
      const acme = folder('generator-acme');
      for (const [, file = '', contents = ''] of files) {
        mkdirSync(path.dirname(path.join(acme, file)), { recursive: true });
        writeFileSync(path.join(acme, file), contents);
      }
      const installed = run(home, 'npm', 'install', ...FLAGS, './generator-acme');
      assert.equal(installed.status, 0, installed.output);
    });

    it('writes a project that its service, its package, its section and its file are in', () => {
      const cwd = folder('acme');
      writeFileSync(path.join(cwd, 'package.json'), '{}');
      const { status, output } = run(cwd, 'yo', 'acme', 'lyco');
      assert.equal(status, 0, output);
      const project = path.join(cwd, 'agents/lyco');
      const files = readTree(project);
      assert.match(files.get('docker-compose.yml') ?? '', /\n {2}lyco-cache:\n[\s\S]*\nnetworks:\n/);
      assert.match(files.get('agent/requirements.in') ?? '', /^redis$/m);
      assert.match(files.get('README.md') ?? '', /\n## Cache\n\nWhat is dear/);
      assert.match(files.get('agent/cache.py') ?? '', /^"""The cache of lyco\."""$/m);
      assert.deepEqual(JSON.parse(readFileSync(path.join(cwd, '.yo-rc.json'), 'utf8')), {
        'generator-acme': { agents: ['lyco'] },
      });
      assert.match(output, /Other generators have changed [^\n]*docker-compose\.yml/);
      assert.match(output, /Compile agent\/requirements\.txt again/);
      const config = spawnSync('docker', ['compose', '--env-file', '.env.template', 'config', '--services'], {
        cwd: project,
        encoding: 'utf8',
        env: { ...process.env, ...SECRETS },
      });
      if (!config.error) assert.match(config.stdout, /^lyco-cache$/m, config.stderr);
      const updated = run(project, 'yo', 'three-tier:update');
      assert.deepEqual([updated.status, updated.lines.at(-1)], [0, 'lyco is up to date.'], updated.output);
      assert.deepEqual(readTree(project), files);
    });

    it('asks at a terminal where it composes in prompting', async () => {
      const cwd = folder('acme-ask');
      const { status, shown } = await typeAtTerminal(cwd, 'yo acme:ask lyco', [[/talk to it\?.*in Telegram/s, '\r']]);
      assert.equal(status, 0, shown);
      assert.match(readFileSync(path.join(cwd, 'agents/lyco/docker-compose.yml'), 'utf8'), /TELEGRAM_BOT_TOKEN/);
    });

    it('ends with the reason where an answer is wrong, and writes nothing', () => {
      const cwd = folder('acme-wrong');
      const { status, output } = run(cwd, 'yo', 'acme', 'No Name');
      assert.equal(status, 1);
      assert.match(output, /^name: "No Name" must be .*; try "no-name"\.$/m);
      assert.deepEqual(readdirSync(cwd), []);
    });

    it('is shown in a dry run: ours by us, its own by Yeoman', () => {
      const cwd = folder('acme-dry');
      const { status, stdout, output } = run(cwd, 'yo', 'acme', 'lyco', '--dry-run');
      assert.equal(status, 0, output);
      assert.match(stdout, /^ +create docker-compose\.yml$/m);
      assert.match(output, /^Yeoman shows what the other generators would write\.$/m);
      assert.deepEqual(readdirSync(cwd), []);
    });

    it('is listed by yo with its commands, as ours are', () => {
      const { output } = run(home, 'yo', '--generators');
      assert.match(output, /^ {2}acme\n {4}ask$/m);
      assert.match(output, /^ {2}three-tier\n( {4}(agent|db|interface|update)\n?){4}$/m);
    });
  });

  it('can be imported by another package, with its types', () => {
    const cwd = folder('importing');
    writeFileSync(
      path.join(cwd, 'index.mts'),
      `import type Generator from 'yeoman-generator';
import App from 'generator-three-tier/generators/app';
import type Database from 'generator-three-tier/generators/db';
export const composable: (new (args: string[], options: never) => Generator<never, never>) = App as never;
export type Name = Database['command']['id'];
export const name: Name = 'db';
`,
    );
    const flags = ['--module', 'nodenext', '--strict', '--noEmit', '--skipLibCheck', '--types', 'node'];
    const types = ['--typeRoots', path.join(ROOT, 'node_modules/@types')];
    const checked = spawnSync(path.join(ROOT, 'node_modules/.bin/tsc'), [...flags, ...types, 'index.mts'], {
      cwd,
      encoding: 'utf8',
    });
    assert.equal(checked.status, 0, checked.stdout);
    const script = "import('generator-three-tier/generators/app').then(({ default: App }) => console.log(App.name))";
    assert.deepEqual(run(home, process.execPath, '--eval', script).lines, ['AppGenerator']);
  });

  it('changes nothing in a project of which it may not write a folder', () => {
    const cwd = folder('partly-writable');
    run(cwd, 'generator-three-tier', 'lyco', '--yes');
    const project = path.join(cwd, 'agents/lyco');
    const before = readTree(project);
    chmodSync(path.join(project, 'agent'), 0o555);
    const { status, lines } = run(project, 'generator-three-tier', 'agent', '--logic', 'business', '--yes');
    assert.deepEqual([status, lines.length], [1, 1], lines.join('\n'));
    assert.match(
      lines[0] ?? '',
      /Cannot change .*agent: permission denied; nothing was changed; make it writable and run/,
    );
    assert.deepEqual(readTree(project), before);
    chmodSync(path.join(project, 'agent'), 0o755);
    assert.equal(run(project, 'generator-three-tier', 'agent', '--logic', 'business', '--yes').status, 0);
  });

  it('lists every question of the whole', () => {
    const { output } = run(home, 'yo', 'three-tier', '--help');
    for (const flag of ['database', 'logic', 'interface', 'agent-port', 'interface-port']) {
      assert.match(output, new RegExp(` --${flag} +# .*default: \\w+\\)`));
    }
    assert.match(output, /--output +# /);
  });

  const refused: [string[], RegExp][] = [
    [['Bad Name', '--yes'], /name: "Bad Name" .*; try "bad-name"\.$/],
    [['123', '--yes'], /name: "123" must be .*; try "my-agent"\.$/],
    [['--yes', '0x10'], /name: "0x10" must be .*; try "x10"\.$/],
    [['--yes', '--name', '1e3'], /name: "1e3" must be .*; try "e3"\.$/],
    [['lyco', '--yes', '--databse', 'redis'], /--databse: there is no such flag; --help lists them all\.$/],
    [['lyco', '--yes', '--agent-port', '99999'], /--agent-port: "99999" is not a port/],
    [['lyco', '--yes', '--output'], /--output: "" is no folder/],
    [['lyco'], /--database: not given, and there is no terminal to ask/],
  ];
  for (const [words, message] of refused) {
    it(`refuses ${words.join(' ')} in one line with exit code 1, by yo and by its own bin`, () => {
      const cwd = folder(`refused-${refused.findIndex(([other]) => other === words)}`);
      for (const command of [['yo', 'three-tier'], ['generator-three-tier']]) {
        const [program = '', ...first] = command;
        const { status, lines } = run(cwd, program, ...first, ...words);
        assert.equal(status, 1, program);
        assert.equal(lines.length, 1, lines.join('\n'));
        assert.match(lines[0] ?? '', message);
      }
      assert.deepEqual(readdirSync(cwd), []);
    });
  }

  it('refuses a folder that it may not write', () => {
    const cwd = folder('not-writable');
    chmodSync(cwd, 0o555);
    const { status, lines } = run(cwd, 'generator-three-tier', 'lyco', '--yes');
    assert.equal(status, 1);
    assert.match(lines.join('\n'), /^\S*✖\S* Cannot write .*: permission denied; choose another folder\./);
    assert.equal(lines.length, 1);
  });

  it('leaves nothing behind when the disk is full', function () {
    const disk = folder('disk');
    if (!mountDisk(disk, 'size=128k,mode=1777')) return this.skip();
    try {
      const { status, lines } = run(disk, 'generator-three-tier', 'lyco', '--yes');
      assert.equal(status, 1);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0] ?? '', /the disk is full; free some space/);
      assert.deepEqual(readdirSync(disk), []);
    } finally {
      unmount(disk);
    }
  });
});
