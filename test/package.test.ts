import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { mountDisk, unmount } from './support/root.ts';

const YO = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).devDependencies.yo;
/** Root becomes somebody else, since yo refuses to be root and root may write anywhere. */
const USER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

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
    return { status, lines, output: stdout + stderr };
  }

  /** Runs the bin at a terminal where a person types each text once its question stands there; the exit code. */
  async function typeAtTerminal(cwd: string, typed: readonly [question: RegExp, text: string][]): Promise<number> {
    const terminal = spawn('script', ['-qec', 'generator-three-tier', '/dev/null'], {
      ...USER,
      cwd,
      env: environment(),
    });
    const open = [...typed];
    let shown = '';
    terminal.stdout.on('data', (text) => {
      shown += text;
      if (!open[0]?.[0].test(shown)) return;
      shown = '';
      terminal.stdin.write(open.shift()?.[1]);
    });
    const [status] = await once(terminal, 'close');
    assert.deepEqual(open, [], shown);
    return status;
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
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
    const installed = run(home, 'npm', 'install', ...flags, `yo@${YO}`, `./${tarball}`);
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

  it('asks a person at a terminal, by its own bin', async () => {
    const cwd = folder('asked');
    const down = '\x1b[B';
    const status = await typeAtTerminal(cwd, [
      [/called\?/, 'hades\r'],
      [/Which database.*navigate/s, `${down}\r`],
      [/What answers.*navigate/s, `${down}\r`],
      [/reach the agent.*navigate/s, '\r'],
    ]);
    assert.equal(status, 0);
    const stored = JSON.parse(readFileSync(path.join(cwd, 'agents/hades/.yo-rc.json'), 'utf8'))['generator-three-tier'];
    assert.deepEqual([stored.database, stored.logic, stored.interface], ['redis', 'business', 'api']);
  });

  it('writes nothing where the person presses Ctrl-C, by its own bin', async () => {
    const cwd = folder('interrupted');
    const status = await typeAtTerminal(cwd, [
      [/called\?/, 'hades\r'],
      [/Which database.*navigate/s, '\x03'],
    ]);
    assert.equal(status, 130);
    assert.deepEqual(readdirSync(cwd), []);
  });

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
