import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { installedVersion } from '../generators/shared/package.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { run } from './support/generate.ts';

describe('three-tier', () => {
  it('writes a project from the defaults without asking', async () => {
    const cwd = temporaryFolder();
    const { exitCode, asked, lines } = await run(cwd, 'app', ['lyco', '--yes']);
    assert.equal(exitCode, 0);
    assert.deepEqual(asked, []);
    assert.match(
      lines.join('\n'),
      /lyco is written: API → LangGraph → PostgreSQL\.[\s\S]*cd agents\/lyco[\s\S]*\.\/deploy\.sh/,
    );
    assert.deepEqual(readdirSync(path.join(cwd, 'agents')), ['lyco'], 'nothing is left beside the project');
    const stored = JSON.parse(readFileSync(path.join(cwd, 'agents/lyco/.yo-rc.json'), 'utf8'))['generator-three-tier'];
    assert.deepEqual(stored, {
      agentPort: 8000,
      database: 'postgres',
      interface: 'api',
      interfacePort: 8080,
      logic: 'langgraph',
      name: 'lyco',
      tiers: ['db', 'agent', 'interface'],
      version: installedVersion(),
      with: 'none',
    });
    assert.deepEqual(Object.keys(stored), Object.keys(stored).sort(), 'keys are sorted');
  });

  it('writes the same bytes every time', async () => {
    const [one, two] = [temporaryFolder(), temporaryFolder()];
    for (const cwd of [one, two]) await run(cwd, 'app', ['lyco', '--yes']);
    assert.deepEqual(readTree(one), readTree(two));
  });

  it('asks at a terminal what no flag has answered, and takes the answers', async () => {
    const cwd = temporaryFolder();
    const answers = { name: 'hades', database: 'postgres', logic: 'langgraph', interface: 'api' };
    const { asked } = await run(cwd, 'app', ['--logic', 'langgraph'], { answers });
    assert.deepEqual(asked, ['name', 'database', 'interface']);
    assert.match(readFileSync(path.join(cwd, 'agents/hades/docker-compose.yml'), 'utf8'), /^name: hades$/m);
  });

  it('takes ports and the output folder from flags', async () => {
    const cwd = temporaryFolder();
    const words = ['lyco', '--yes', '--agent-port', '9000', '--interface-port', '9001', '--output', 'here/it is'];
    const { lines } = await run(cwd, 'app', words);
    const template = readFileSync(path.join(cwd, 'here/it is/.env.template'), 'utf8');
    assert.match(template, /^AGENT_PORT=9000$/m);
    assert.match(template, /^INTERFACE_PORT=9001$/m);
    assert.ok(
      lines.some((line) => line.includes("cd 'here/it is'")),
      'the path is quoted for the shell',
    );
  });

  it('writes to the home folder where --output=~/ says so', async () => {
    const cwd = temporaryFolder();
    const before = process.env.HOME;
    process.env.HOME = path.join(cwd, 'home');
    try {
      await run(cwd, 'app', ['lyco', '--yes', '--output=~/lyco']);
    } finally {
      process.env.HOME = before;
    }
    assert.deepEqual([readdirSync(cwd), readdirSync(path.join(cwd, 'home'))], [['home'], ['lyco']]);
  });

  it('writes beside the other agents inside a folder called agents', async () => {
    const cwd = temporaryFolder();
    const agents = path.join(cwd, 'agents');
    await run(cwd, 'app', ['lyco', '--yes']);
    await run(agents, 'app', ['hades', '--yes']);
    assert.deepEqual(readdirSync(agents), ['hades', 'lyco']);
    const { lines } = await run(agents, 'app', ['lyco', '--yes']);
    assert.deepEqual(lines, ['lyco is up to date.']);
  });

  it('goes on with a project that an earlier version put into a second folder called agents', async () => {
    const agents = path.join(temporaryFolder(), 'agents');
    mkdirSync(agents);
    await run(agents, 'app', ['lyco', '--yes', '--output', 'agents/lyco']);
    assert.deepEqual((await run(agents, 'app', ['lyco', '--yes'])).lines, ['lyco is up to date.']);
  });

  for (const [what, text] of [
    ['of another generator', '{"generator-other": {}}'],
    ['that is no JSON', '{'],
    ['with a setting instead of answers', '{"generator-three-tier": true}'],
    ['with a list', '[1]'],
  ] as const) {
    it(`does not mind a .yo-rc.json ${what} in a folder above it`, async () => {
      const cwd = temporaryFolder();
      config(cwd, '.', text);
      mkdirSync(path.join(cwd, 'below'));
      for (const folder of [cwd, path.join(cwd, 'below')]) {
        const { exitCode, lines } = await run(folder, 'app', ['lyco', '--yes']);
        assert.equal(exitCode, 0, lines.join('\n'));
      }
      assert.equal(readFileSync(path.join(cwd, '.yo-rc.json'), 'utf8'), text);
    });
  }

  it('takes a name after --yes, which yo reads as the value of that flag', async () => {
    const cwd = temporaryFolder();
    assert.equal((await run(cwd, 'app', ['--yes', 'lyco'])).exitCode, 0);
    assert.ok(existsSync(path.join(cwd, 'agents/lyco')));
  });

  it('has extras where they are asked for, keeps them, and takes them out again', async () => {
    const cwd = temporaryFolder();
    const project = path.join(cwd, 'agents/lyco');
    const extras = ['stack.yml', 'ops/operations/commands/swarm.py', 'ops/operations/commands/import.py'];
    const there = () => extras.filter((file) => existsSync(path.join(project, file)));
    const stored = () =>
      JSON.parse(readFileSync(path.join(project, '.yo-rc.json'), 'utf8'))['generator-three-tier'].with;
    await run(cwd, 'app', ['lyco', '--yes', '--with', 'transfer,swarm']);
    assert.deepEqual([stored(), there()], ['swarm,transfer', extras]);
    assert.deepEqual((await run(project, 'update')).lines, ['lyco is up to date.']);
    await run(project, 'update', ['--with', 'transfer']);
    assert.deepEqual([stored(), there()], ['transfer', extras.slice(2)]);
    await run(project, 'db', ['--yes', '--database', 'redis']);
    assert.deepEqual([stored(), there()], ['transfer', extras.slice(2)], 'another tier keeps it');
    await run(project, 'update', ['--with', 'none']);
    assert.deepEqual([stored(), there()], ['none', []]);
  });

  it('takes the port for the agent that an interface would have which has none', async () => {
    const cwd = temporaryFolder();
    const words = ['lyco', '--yes', '--interface', 'telegram', '--agent-port', '8080'];
    assert.equal((await run(cwd, 'app', words)).exitCode, 0);
    const { exitCode, lines } = await run(path.join(cwd, 'agents/lyco'), 'interface', ['--interface', 'api', '--yes']);
    assert.equal(exitCode, 1);
    assert.deepEqual(lines, ["--agent-port: 8080 is the interface's port already; use another one."]);
  });

  it('gives every file an explicit mode, whatever the umask', async () => {
    const cwd = temporaryFolder();
    const before = process.umask(0o077);
    try {
      await run(cwd, 'app', ['lyco', '--yes']);
    } finally {
      process.umask(before);
    }
    const project = path.join(cwd, 'agents/lyco');
    for (const file of readTree(project).keys()) {
      const mode = (statSync(path.join(project, file)).mode & 0o777).toString(8);
      assert.equal(mode, /\.sh$|^ops\/three-tier$/.test(file) ? '755' : '644', file);
    }
  });

  it('shows with --dry-run what it would write, and writes nothing', async () => {
    const cwd = temporaryFolder();
    const { lines } = await run(cwd, 'app', ['lyco', '--yes', '--dry-run']);
    assert.ok(lines.includes('      create docker-compose.yml'));
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('finds nothing to do on a second run, outside the project and inside', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    const before = readTree(cwd);
    assert.deepEqual((await run(cwd, 'app', ['lyco', '--yes'])).lines, ['lyco is up to date.']);
    assert.deepEqual((await run(path.join(cwd, 'agents/lyco'), 'app')).lines, ['lyco is up to date.']);
    assert.deepEqual(readTree(cwd), before);
  });

  it('changes an answer in a project that nobody edited', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    const { lines } = await run(cwd, 'app', ['lyco', '--yes', '--agent-port', '9000']);
    assert.ok(lines.includes('      update .env.template'), lines.join('\n'));
    assert.match(readFileSync(path.join(cwd, 'agents/lyco/.env.template'), 'utf8'), /^AGENT_PORT=9000$/m);
  });

  it('merges what is new into an edited file', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    const template = path.join(cwd, 'agents/lyco/.env.template');
    writeFileSync(template, `${readFileSync(template, 'utf8')}\nMINE=1\n`);
    const { exitCode, lines } = await run(cwd, 'app', ['lyco', '--yes', '--agent-port', '9000']);
    assert.equal(exitCode, 0);
    assert.ok(lines.includes('       merge .env.template'), lines.join('\n'));
    const merged = readFileSync(template, 'utf8');
    assert.match(merged, /^AGENT_PORT=9000$/m);
    assert.match(merged, /^MINE=1$/m);
    assert.deepEqual((await run(cwd, 'app', ['lyco', '--yes', '--agent-port', '9000'])).lines, ['lyco is up to date.']);
  });

  describe('where an edit and something new collide', () => {
    /** A project whose AGENT_PORT was edited, which the next run wants to change too. */
    async function collision(words: string[], answers?: Record<string, string>) {
      const cwd = temporaryFolder();
      await run(cwd, 'app', ['lyco', '--yes']);
      const template = path.join(cwd, 'agents/lyco/.env.template');
      const edited = readFileSync(template, 'utf8').replace('AGENT_PORT=8000', 'AGENT_PORT=7000');
      writeFileSync(template, edited);
      const outcome = await run(cwd, 'app', ['lyco', '--agent-port', '9000', ...words], answers ? { answers } : {});
      return { ...outcome, cwd, edited, template };
    }

    it('keeps the edit with --yes, writes the new file beside it and ends with code 1', async () => {
      const { exitCode, lines, cwd, edited, template } = await collision(['--yes']);
      assert.equal(exitCode, 1);
      assert.match(
        lines.join('\n'),
        /^\.env\.template: edited where there is something new.* see \.env\.template\.new\.$/m,
      );
      assert.equal(readFileSync(template, 'utf8'), edited);
      assert.match(readFileSync(`${template}.new`, 'utf8'), /^AGENT_PORT=9000$/m);
      const again = await run(cwd, 'app', ['lyco', '--agent-port', '9000', '--yes']);
      assert.deepEqual([again.exitCode, again.lines], [0, ['lyco is up to date.']], 'it says so once');
    });

    it('takes the new file with --force', async () => {
      const { exitCode, template } = await collision(['--yes', '--force']);
      assert.equal(exitCode, 0);
      assert.match(readFileSync(template, 'utf8'), /^AGENT_PORT=9000$/m);
    });

    for (const [choice, expected] of [
      ['keep', /^AGENT_PORT=7000$/m],
      ['take', /^AGENT_PORT=9000$/m],
      ['merge', /^<<<<<<< yours\n(#.*\n)?AGENT_PORT=7000\n=======\n(#.*\n)?AGENT_PORT=9000\n>>>>>>> generated$/m],
    ] as const) {
      it(`asks at a terminal, and does it: ${choice}`, async () => {
        const { exitCode, asked, template } = await collision([], { choice });
        assert.deepEqual([exitCode, asked], [0, ['choice']]);
        assert.match(readFileSync(template, 'utf8'), expected);
        assert.ok(!existsSync(`${template}.new`));
      });
    }

    it('shows the difference with --dry-run and writes nothing', async () => {
      const { exitCode, lines, edited, template } = await collision(['--yes', '--dry-run']);
      assert.equal(exitCode, 0);
      assert.ok(lines.includes('+AGENT_PORT=9000'), lines.join('\n'));
      assert.ok(lines.includes('    conflict .env.template'));
      assert.equal(readFileSync(template, 'utf8'), edited);
      assert.ok(!existsSync(`${template}.new`));
    });
  });

  it('leaves a file away that the user deleted', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    rmSync(path.join(cwd, 'agents/lyco/pyproject.toml'));
    const { exitCode, lines } = await run(cwd, 'app', ['lyco', '--yes']);
    assert.deepEqual([exitCode, lines], [0, [' you deleted pyproject.toml']]);
    assert.ok(!existsSync(path.join(cwd, 'agents/lyco/pyproject.toml')));
  });

  it('finishes on the next run what a kill left staged', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    const project = path.join(cwd, 'agents/lyco');
    const pending = path.join(project, '.three-tier/pending');
    mkdirSync(path.join(pending, 'files/ops'), { recursive: true });
    writeFileSync(path.join(pending, 'files/ops/new.sh'), 'echo staged\n');
    writeFileSync(
      path.join(pending, 'journal.json'),
      JSON.stringify({ write: [{ path: 'ops/new.sh', was: null }], remove: [] }),
    );
    const dryRun = await run(cwd, 'app', ['lyco', '--yes', '--dry-run']);
    assert.match(dryRun.lines[0] ?? '', /was killed; run the command without --dry-run, which finishes it first\.$/);
    await run(cwd, 'app', ['lyco', '--yes']);
    assert.equal(readFileSync(path.join(project, 'ops/new.sh'), 'utf8'), 'echo staged\n');
    assert.ok(!existsSync(pending));
  });

  it('leaves alone what others keep beside the project, whatever it is called', async () => {
    const cwd = temporaryFolder();
    const names = ['.lyco.three-tier-backup', `.lyco.three-tier-${process.pid}`, '.three-tier-staging-mine'];
    for (const name of names) folderWithFile(cwd, `agents/${name}`);
    assert.equal((await run(cwd, 'app', ['lyco', '--yes'])).exitCode, 0);
    assert.deepEqual(readdirSync(path.join(cwd, 'agents')).sort(), [...names, 'lyco'].sort());
    for (const name of names) {
      assert.equal(readFileSync(path.join(cwd, 'agents', name, 'thesis.txt'), 'utf8'), 'mine');
    }
    assert.ok(!existsSync(path.join(cwd, 'agents/lyco/thesis.txt')), 'nothing of theirs is in the project');
  });
});

const PORTS = ['lyco', '--yes', '--interface-port', '9000'];

describe('bad input', () => {
  const cases: [string, string[], RegExp][] = [
    ['no name', ['--yes'], /^name: give the agent a name/],
    ['a hostile name', ['../evil', '--yes'], /^name: "\.\.\/evil" must be .*; try "evil"\.$/],
    ['a template tag as name', ['<%= 7 %>', '--yes'], /^name: /],
    ['two names', ['lyco', 'hades', '--yes'], /^"hades": only one name/],
    [
      'an unknown database',
      ['lyco', '--yes', '--database', 'oracle'],
      /^--database: "oracle" is not a choice; use one of/,
    ],
    [
      'an inherited property as choice',
      ['lyco', '--yes', '--logic', 'constructor'],
      /^--logic: "constructor" is not a choice/,
    ],
    ['a choice left out', ['lyco', '--yes', '--interface'], /^--interface: "" is not a choice/],
    ['a port that is no number', ['lyco', '--yes', '--agent-port', 'http'], /^--agent-port: "http" is not a port; use/],
    ['a port in hexadecimal', ['lyco', '--yes', '--agent-port', '0x50'], /^--agent-port: "0x50" is not a port/],
    ['a port out of range', ['lyco', '--yes', '--interface-port', '65536'], /^--interface-port: "65536" is not a port/],
    ['port zero', ['lyco', '--yes', '--agent-port', '0'], /^--agent-port: "0" is not a port/],
    [
      'the port of the interface',
      ['lyco', '--yes', '--agent-port', '8080'],
      /^--agent-port: 8080 is the interface's port/,
    ],
    [
      'the port of the agent',
      ['lyco', '--yes', '--interface-port', '8000'],
      /^--interface-port: 8000 is the agent's port/,
    ],
    ['one port for both', [...PORTS, '--agent-port', '9000'], /^--interface-port: 9000 is the agent's port/],
    ['an unknown flag', ['lyco', '--yes', '--databse', 'redis'], /^--databse: there is no such flag; --help/],
    ['an extra that there is not', ['lyco', '--yes', '--with', 'swarm,k8s'], /^--with: "k8s" is not a choice; use one/],
    [
      'an empty list of extras',
      ['lyco', '--yes', '--with', ''],
      /^--with: "" is not a choice; use .* transfer, none\./,
    ],
    ['an empty output', ['lyco', '--yes', '--output', ''], /^--output: "" is no folder/],
    ["another user's home", ['lyco', '--yes', '--output=~bob/x'], /^--output: "~bob\/x" begins with ~; write/],
  ];
  for (const [what, words, message] of cases) {
    it(`is refused in one line that writes nothing: ${what}`, async () => {
      const cwd = temporaryFolder();
      const { exitCode, lines } = await run(cwd, 'app', words);
      assert.equal(exitCode, 1);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0] ?? '', message);
      assert.deepEqual(readdirSync(cwd), []);
    });
  }

  const places: [string, (cwd: string) => void, string[], RegExp][] = [
    ['a folder with other files', (cwd) => folderWithFile(cwd, 'agents/lyco'), [], /agents\/lyco is there already/],
    ['a file', (cwd) => writeFileSync(path.join(cwd, 'agents'), ''), [], /a part of the path is a file/],
    ['a file as target', (cwd) => writeFileSync(path.join(cwd, 'x'), ''), ['--output', 'x'], /x is there already/],
    ['a link to nowhere', (cwd) => symlinkSync('gone', path.join(cwd, 'x')), ['--output', 'x'], /Cannot write .*x: /],
    ['a damaged .yo-rc.json', (cwd) => config(cwd, 'x', '{'), ['--output', 'x'], /\.yo-rc\.json is not valid JSON/],
    [
      'a .yo-rc.json that is no object',
      (cwd) => config(cwd, 'x', '[]'),
      ['--output', 'x'],
      /\.yo-rc\.json is not valid/,
    ],
    ['a stored project without a name', nameless, ['--output', 'x'], /\.yo-rc\.json: "generator-three-tier" holds no/],
    ['a project around it that is damaged', damagedProject, [], /\.yo-rc\.json is not valid JSON/],
    ['hostile stored answers', hostileConfig, ['--output', 'x'], /\.yo-rc\.json: name: "\.\.\/y"/],
    ['a path that is too long', () => {}, ['--output', 'x'.repeat(300)], /the path is too long/],
  ];
  for (const [what, prepare, words, message] of places) {
    it(`is refused in one line that changes nothing: ${what}`, async () => {
      const cwd = temporaryFolder();
      prepare(cwd);
      const before = readTree(cwd);
      const { exitCode, lines } = await run(cwd, 'app', ['lyco', '--yes', ...words]);
      assert.equal(exitCode, 1);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0] ?? '', message);
      assert.deepEqual(readTree(cwd), before);
    });
  }

  it('refuses a project inside a project, and another name for one', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'app', ['lyco', '--yes']);
    const project = path.join(cwd, 'agents/lyco');
    const inside = await run(path.join(project, 'agent'), 'app', ['hades', '--yes']);
    assert.match(inside.lines[0] ?? '', /lies inside the project .*agents\/lyco; run the command outside/);
    const below = await run(path.join(project, 'agent'), 'update');
    assert.match(below.lines[0] ?? '', /^The project is in .*agents\/lyco: run the command there\.$/);
    const tier = await run(path.join(project, 'agent'), 'db', ['--database', 'redis', '--yes']);
    assert.match(tier.lines[0] ?? '', /lies inside the project .*agents\/lyco; run the command there\.$/);
    const renamed = await run(cwd, 'app', ['hades', '--yes', '--output', 'agents/lyco']);
    assert.match(
      renamed.lines[0] ?? '',
      /^name: the project in .*agents\/lyco is called lyco; choose another --output/,
    );
    assert.deepEqual([inside.exitCode, renamed.exitCode], [1, 1]);
  });
});

function folderWithFile(cwd: string, folder: string): void {
  mkdirSync(path.join(cwd, folder), { recursive: true });
  writeFileSync(path.join(cwd, folder, 'thesis.txt'), 'mine');
}

function config(cwd: string, folder: string, text: string): void {
  mkdirSync(path.join(cwd, folder), { recursive: true });
  writeFileSync(path.join(cwd, folder, '.yo-rc.json'), text);
}

function nameless(cwd: string): void {
  config(cwd, 'x', JSON.stringify({ 'generator-three-tier': true }));
}

function damagedProject(cwd: string): void {
  config(cwd, '.', '<<<<<<< HEAD');
  mkdirSync(path.join(cwd, '.three-tier'));
  writeFileSync(path.join(cwd, '.three-tier/baseline.json.gz'), '');
}

function hostileConfig(cwd: string): void {
  config(cwd, 'x', JSON.stringify({ 'generator-three-tier': { name: '../y' } }));
}
