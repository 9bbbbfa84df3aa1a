import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { run } from './support/generate.ts';
import { mountDisk, unmount } from './support/root.ts';

const BIN = path.join(import.meta.dirname, '../bin/generator-three-tier.js');
const KILL_AT = path.join(import.meta.dirname, 'support/kill_at.js');

/** A new project called lyco; its folder. */
async function newProject(...words: string[]): Promise<string> {
  const cwd = temporaryFolder();
  await run(cwd, 'app', ['lyco', '--yes', ...words]);
  return path.join(cwd, 'agents/lyco');
}

/** What .env.template and docker-compose.yml, among others, want to be changed for. */
const CHANGE = ['--yes', '--agent-port', '9000'];

function edit(project: string, file: string, change: (contents: string) => string): void {
  const target = path.join(project, file);
  const edited = change(readFileSync(target, 'utf8'));
  assert.notEqual(edited, readFileSync(target, 'utf8'));
  writeFileSync(target, edited);
}

function contentsOf(project: string, file: string): string {
  return readFileSync(path.join(project, file), 'utf8');
}

describe('a project on a difficult disk', () => {
  it('is as it was when the disk is full, and changed once there is room', async function () {
    const disk = temporaryFolder();
    if (!mountDisk(disk, 'size=2m,mode=1777')) return this.skip();
    try {
      const project = path.join(disk, 'lyco');
      cpSync(await newProject('--logic', 'business'), project, { recursive: true });
      appendFileSync(path.join(project, 'README.md'), '\nMine.\n');
      const before = readTree(project);
      assert.throws(() => writeFileSync(path.join(disk, 'filling'), Buffer.alloc(4 * 1024 * 1024)), /ENOSPC/);
      const full = await run(project, 'app', CHANGE);
      assert.deepEqual([full.exitCode, full.lines.length], [1, 1], full.lines.join('\n'));
      assert.match(
        full.lines[0] ?? '',
        /^Cannot change .*lyco: the disk is full; free some space and run the command again\.$/,
      );
      assert.deepEqual(readTree(project), before);
      assert.deepEqual(readdirSync(path.join(project, '.three-tier')), ['baseline.json.gz'], 'nothing is left behind');
      unlinkSync(path.join(disk, 'filling'));
      assert.equal((await run(project, 'app', CHANGE)).exitCode, 0);
      assert.match(contentsOf(project, '.env.template'), /^AGENT_PORT=9000$/m);
      assert.match(contentsOf(project, 'README.md'), /\nMine\.\n$/);
    } finally {
      unmount(disk);
    }
  });

  it('keeps read-only files read-only: they are updated, and merged where they were edited', async () => {
    const project = await newProject();
    edit(project, 'README.md', (contents) => `${contents}\nMine.\n`);
    for (const file of ['.env.template', 'README.md']) chmodSync(path.join(project, file), 0o444);
    const { exitCode, lines } = await run(project, 'app', CHANGE);
    assert.equal(exitCode, 0);
    assert.ok(
      lines.includes('      update .env.template') && lines.includes('       merge README.md'),
      lines.join('\n'),
    );
    assert.match(contentsOf(project, '.env.template'), /^AGENT_PORT=9000$/m);
    assert.match(contentsOf(project, 'README.md'), /9000[\s\S]*\nMine\.\n$/);
    for (const file of ['.env.template', 'README.md']) {
      assert.equal(statSync(path.join(project, file)).mode & 0o777, 0o444, file);
    }
  });

  it('has links left as they are, and what they point to too', async () => {
    const project = await newProject();
    const elsewhere = path.join(temporaryFolder(), 'shared.env');
    renameSync(path.join(project, '.env.template'), elsewhere);
    symlinkSync(elsewhere, path.join(project, '.env.template'));
    const before = readFileSync(elsewhere, 'utf8');
    for (const words of [CHANGE, [...CHANGE.slice(0, 1), '--agent-port', '9001', '--force']]) {
      const { exitCode, lines } = await run(project, 'app', words);
      assert.equal(exitCode, 1);
      assert.match(
        lines.join('\n'),
        /^\.env\.template: edited where there is something new.* see \.env\.template\.new\.$/m,
      );
      assert.ok(lstatSync(path.join(project, '.env.template')).isSymbolicLink());
      assert.equal(readFileSync(elsewhere, 'utf8'), before);
    }
    assert.match(contentsOf(project, '.env.template.new'), /^AGENT_PORT=9001$/m);
  });

  const places: [string, (project: string, folder: string) => void, RegExp][] = [
    [
      'a link to a folder',
      (project, folder) => symlinkSync(folder, path.join(project, 'agent')),
      /agent is a symbolic link/,
    ],
    ['a file', (project) => writeFileSync(path.join(project, 'agent'), 'mine'), /agent is a file/],
  ];
  for (const [what, prepare, message] of places) {
    it(`is refused where ${what} has the place of a folder, and nothing is written elsewhere`, async () => {
      const project = await newProject();
      const elsewhere = path.join(temporaryFolder(), 'agent');
      renameSync(path.join(project, 'agent'), elsewhere);
      prepare(project, elsewhere);
      const before = [readTree(project), readTree(elsewhere)];
      const { exitCode, lines } = await run(project, 'app', ['--yes', '--logic', 'business']);
      assert.deepEqual([exitCode, lines.length], [1, 1]);
      assert.match(lines[0] ?? '', message);
      assert.match(lines[0] ?? '', / where a folder should be; move it away first\.$/);
      assert.deepEqual([readTree(project), readTree(elsewhere)], before);
    });
  }

  it('has a folder left in the place of a file', async () => {
    const project = await newProject();
    rmSync(path.join(project, '.env.template'));
    mkdirSync(path.join(project, '.env.template'));
    writeFileSync(path.join(project, '.env.template/mine'), 'mine');
    const { exitCode } = await run(project, 'app', [...CHANGE, '--force']);
    assert.equal(exitCode, 1);
    assert.equal(contentsOf(project, '.env.template/mine'), 'mine');
    assert.match(contentsOf(project, '.env.template.new'), /^AGENT_PORT=9000$/m);
  });

  it('does not get a file back that its owner deleted, and is told so', async () => {
    const project = await newProject();
    rmSync(path.join(project, '.env.template'));
    rmSync(path.join(project, 'agent/tests'), { recursive: true });
    const { exitCode, lines } = await run(project, 'app', CHANGE);
    assert.equal(exitCode, 0);
    assert.ok(lines.includes(' you deleted .env.template') && lines.includes(' you deleted agent/tests/conftest.py'));
    assert.ok(!existsSync(path.join(project, '.env.template')) && !existsSync(path.join(project, 'agent/tests')));
  });

  it('keeps the line ends that it was checked out with, and the edits', async () => {
    const project = await newProject();
    for (const file of ['.env.template', 'docker-compose.yml', 'README.md', 'agent/logic.py']) {
      edit(project, file, (contents) => contents.replaceAll('\n', '\r\n'));
    }
    edit(project, 'README.md', (contents) => `${contents}\r\nMine.\r\n`);
    const { exitCode } = await run(project, 'app', [...CHANGE, '--logic', 'business']);
    assert.equal(exitCode, 0);
    for (const file of ['.env.template', 'docker-compose.yml', 'README.md', 'agent/logic.py']) {
      assert.doesNotMatch(contentsOf(project, file), /(?<!\r)\n/, file);
    }
    assert.match(contentsOf(project, '.env.template'), /^AGENT_PORT=9000\r$/m);
    assert.match(contentsOf(project, 'README.md'), /\r\nMine\.\r\n$/);
  });

  it('keeps files that mix line ends line by line, and bytes that are no UTF-8', async () => {
    const project = await newProject();
    edit(project, '.env.template', (contents) => contents.replace('LOG_LEVEL=info\n', 'LOG_LEVEL=debug\r\n'));
    appendFileSync(path.join(project, 'README.md'), Buffer.from('caf\xe9\n', 'latin1'));
    const { exitCode, lines } = await run(project, 'app', [...CHANGE, '--force']);
    assert.match(contentsOf(project, '.env.template'), /AGENT_PORT=9000\n[\s\S]*LOG_LEVEL=debug\r\n/);
    assert.equal(exitCode, 1);
    assert.match(lines.at(-1) ?? '', /^README\.md: edited .* see README\.md\.new\.$/);
    assert.match(readFileSync(path.join(project, 'README.md'), 'latin1'), /caf\xe9\n$/);
  });

  it('may be renamed: it keeps its name, inside and from outside', async () => {
    const project = await newProject();
    const renamed = path.join(path.dirname(project), 'Other Name');
    renameSync(project, renamed);
    assert.deepEqual((await run(renamed, 'app')).lines, ['lyco is up to date.']);
    assert.deepEqual((await run(renamed, 'update')).lines, ['lyco is up to date.']);
    assert.equal((await run(renamed, 'agent', CHANGE)).exitCode, 0);
    assert.match(contentsOf(renamed, 'docker-compose.yml'), /^name: lyco$[\s\S]*AGENT_PORT:?-9000/m);
    const outside = ['--output', renamed, '--yes'];
    assert.deepEqual((await run(path.dirname(project), 'app', outside)).lines, ['lyco is up to date.']);
  });
});

describe('a project that lost what was known of it', () => {
  it('gets it back without .three-tier/, where nothing is new', async () => {
    const project = await newProject();
    const before = readTree(project);
    rmSync(path.join(project, '.three-tier'), { recursive: true });
    const { exitCode, lines } = await run(project, 'app', ['--yes']);
    assert.deepEqual([exitCode, lines.length], [0, 2]);
    assert.match(lines[0] ?? '', /^The folder \.three-tier is missing, so edits cannot be told from older output/);
    assert.deepEqual(readTree(project), before);
  });

  it('keeps every file without .three-tier/, with the new one beside it where they differ', async () => {
    const project = await newProject();
    edit(project, 'README.md', (contents) => `${contents}\nMine.\n`);
    rmSync(path.join(project, '.three-tier'), { recursive: true });
    const before = readTree(project);
    const { exitCode, lines } = await run(project, 'app', CHANGE);
    assert.equal(exitCode, 1);
    assert.match(lines.at(-1) ?? '', /^\.env\.template, .*README\.md.*: edited .* see \.env\.template\.new, /);
    for (const [file, contents] of before)
      if (file !== '.yo-rc.json') assert.equal(readTree(project).get(file), contents);
    const again = await run(project, 'app', CHANGE);
    assert.deepEqual([again.exitCode, again.lines], [0, ['lyco is up to date.']]);
  });

  for (const damage of ['', 'no gzip', '\x1f\x8b\x08']) {
    it(`is refused with a baseline that is damaged: ${JSON.stringify(damage)}`, async () => {
      const project = await newProject();
      writeFileSync(path.join(project, '.three-tier/baseline.json.gz'), damage);
      const before = readTree(project);
      const { exitCode, lines } = await run(project, 'app', CHANGE);
      assert.deepEqual([exitCode, lines.length], [1, 1]);
      assert.match(lines[0] ?? '', /baseline\.json\.gz is damaged; restore it from your version control, or delete it/);
      assert.deepEqual(readTree(project), before);
    });
  }

  it('is refused without .yo-rc.json', async () => {
    const project = await newProject();
    rmSync(path.join(project, '.yo-rc.json'));
    const before = readTree(project);
    const { exitCode, lines } = await run(project, 'db', ['--yes']);
    assert.deepEqual([exitCode, lines.length], [1, 1]);
    assert.match(lines[0] ?? '', /\.yo-rc\.json is missing; restore it from your version control\.$/);
    assert.deepEqual(readTree(project), before);
  });
});

describe('what an owner has', () => {
  it('is not overwritten beside a file either: FILE.new is taken only from an earlier run', async () => {
    const project = await newProject();
    edit(project, '.env.template', (contents) => contents.replace('AGENT_PORT=8000', 'AGENT_PORT=7000'));
    writeFileSync(path.join(project, '.env.template.new'), 'mine\n');
    const { lines } = await run(project, 'app', CHANGE);
    assert.match(lines.at(-1) ?? '', /see \.env\.template\.new2\.$/);
    assert.equal(contentsOf(project, '.env.template.new'), 'mine\n');
    await run(project, 'app', ['--yes', '--agent-port', '9001']);
    assert.match(contentsOf(project, '.env.template.new2'), /^AGENT_PORT=9001$/m);
    assert.ok(!existsSync(path.join(project, '.env.template.new3')));
  });

  it('comes back with a choice that is made again: an edited file of it was kept, and is merged', async () => {
    const project = await newProject();
    edit(project, 'init-tables.sql', (contents) => `${contents}\n-- mine\n`);
    const away = await run(project, 'db', ['--yes', '--database', 'mongo']);
    assert.ok(away.lines.includes('keep, edited init-tables.sql') && away.lines.includes('      remove init-role.sh'));
    assert.deepEqual([away.exitCode, existsSync(path.join(project, 'init-role.sh'))], [0, false]);
    assert.deepEqual((await run(project, 'db', ['--yes'])).lines, ['lyco is up to date.']);
    const back = await run(project, 'db', ['--yes', '--database', 'postgres']);
    assert.equal(back.exitCode, 0, back.lines.join('\n'));
    assert.match(contentsOf(project, 'init-tables.sql'), /create table[\s\S]*\n-- mine\n$/i);
    await run(project, 'db', ['--yes', '--database', 'mongo']);
    unlinkSync(path.join(project, 'init-tables.sql'));
    await run(project, 'db', ['--yes', '--database', 'postgres']);
    assert.match(contentsOf(project, 'init-tables.sql'), /create table/i, 'what is needed anew is there anew');
  });
});

describe('a project in Git', () => {
  const git = (cwd: string, ...args: string[]) => {
    const identity = ['-c', 'user.name=owner', '-c', 'user.email=owner@example.com'];
    const { status, stdout, stderr } = spawnSync('git', [...identity, ...args], { cwd, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const committed = async () => {
    const project = await newProject();
    git(project, 'init', '--quiet');
    git(project, 'add', '.');
    git(project, 'commit', '--quiet', '--message', 'Begin');
    return project;
  };
  const WARNING =
    /^Git has (a change that is|\d+ changes that are) not committed here; what this run changes comes on top/;

  it('is changed without a word where all is committed, and nothing is committed or staged', async () => {
    const project = await committed();
    const before = git(project, 'rev-parse', 'HEAD');
    const { lines } = await run(project, 'app', CHANGE);
    assert.doesNotMatch(lines.join('\n'), /Git/);
    assert.equal(git(project, 'rev-parse', 'HEAD'), before);
    assert.equal(git(project, 'diff', '--cached', '--name-only'), '');
    assert.match(git(project, 'status', '--porcelain'), /^ M \.env\.template$/m);
  });

  it('is warned of where something is not committed, and changed', async () => {
    const project = await committed();
    edit(project, 'README.md', (contents) => `${contents}\nMine.\n`);
    const { exitCode, lines } = await run(project, 'app', CHANGE);
    assert.equal(exitCode, 0);
    assert.match(lines[0] ?? '', WARNING);
    assert.deepEqual(
      (await run(project, 'app', CHANGE)).lines,
      ['lyco is up to date.'],
      'nothing changes, nothing is said',
    );
  });

  it('is changed without Git too', async () => {
    const project = await committed();
    edit(project, 'README.md', (contents) => `${contents}\nMine.\n`);
    const before = process.env.PATH;
    process.env.PATH = temporaryFolder();
    try {
      const { exitCode, lines } = await run(project, 'app', CHANGE);
      assert.equal(exitCode, 0);
      assert.doesNotMatch(lines.join('\n'), /Git/);
    } finally {
      process.env.PATH = before;
    }
  });
});

describe('the difference that --dry-run shows', () => {
  const GREEN = '\u001b[32m';
  const words = ['app', ...CHANGE, '--dry-run'];

  it('goes to the standard output, where it can be piped, without colours', async () => {
    const project = await newProject();
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...words], { cwd: project, encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^\+AGENT_PORT=9000$/m);
    assert.match(stdout, /^ +update \.env\.template$/m);
    assert.ok(!stdout.includes('\u001b'));
  });

  it('is coloured on a terminal, unless NO_COLOR is set or it goes into a file', async () => {
    const project = await newProject();
    const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, ...rest } = process.env; // Node.js takes a colour or none from them
    const shown = (to = '', more = {}) => {
      const command = `${process.execPath} ${BIN} ${words.join(' ')}${to}`;
      const env = { ...rest, TERM: 'xterm-256color', ...more };
      const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
        cwd: project,
        encoding: 'utf8',
        env,
        stdio: ['ignore', 'pipe', 'pipe'], // of an input that stays open, it waits for the end
      });
      return stdout;
    };
    assert.ok(shown().includes(`${GREEN}+AGENT_PORT=9000`));
    assert.match(shown('', { NO_COLOR: '1' }), /^\+AGENT_PORT=9000\r?$/m);
    assert.equal(shown(' >shown'), '');
    assert.match(contentsOf(project, 'shown'), /^\+AGENT_PORT=9000$/m);
    assert.ok(!contentsOf(project, 'shown').includes('\u001b'));
  });
});

describe('the command itself, killed while it changes a project', function () {
  this.timeout(300_000);

  function killedAt(call: number, project: string): boolean {
    const env = { ...process.env, KILL_AT: String(call), KILL_WITHIN: project };
    const words = ['--import', KILL_AT, BIN, 'db', '--database', 'mongo', '--yes'];
    const { signal, status, stderr } = spawnSync(process.execPath, words, { cwd: project, env, encoding: 'utf8' });
    assert.ok(signal === 'SIGKILL' || status === 0, stderr);
    return signal === 'SIGKILL';
  }

  it('loses no edit, and does it when it is typed again', async () => {
    const edited = await newProject();
    edit(edited, 'docker-compose.yml', (contents) => contents.replace('max-size: 10m', 'max-size: 99m'));
    const copy = () => {
      const project = path.join(temporaryFolder(), 'lyco');
      cpSync(edited, project, { recursive: true });
      return project;
    };
    const undisturbed = copy();
    await run(undisturbed, 'db', ['--yes', '--database', 'mongo']);
    let killed = 0;
    for (let call = 1; ; call += 29) {
      const project = copy();
      const wasKilled = killedAt(call, project);
      assert.match(contentsOf(project, 'docker-compose.yml'), /max-size: 99m/);
      assert.equal((await run(project, 'db', ['--yes', '--database', 'mongo'])).exitCode, 0);
      assert.deepEqual(readTree(project), readTree(undisturbed));
      if (!wasKilled) break;
      killed += 1;
    }
    assert.ok(killed >= 4, `${killed} kills`);
  });
});
