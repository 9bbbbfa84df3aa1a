import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type DatabaseId, databases } from '../generators/db/databases/index.ts';
import { inOrder, missingFrom, TIERS, type TierId } from '../generators/shared/tiers.ts';
import { type Combination, combinations, generate, label } from './support/combinations.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { run } from './support/generate.ts';
import { check } from './support/tools.ts';

const QUESTION = { db: 'database', agent: 'logic', interface: 'interface' } as const;

/** What is asked where a tier is run alone in an empty folder. */
const ASKED = { db: ['name', 'database'], agent: ['name', 'database', 'logic'], interface: ['name', 'interface'] };

/** Combinations in which each kind occurs. */
const VARIED = [combinations[0], combinations[10], combinations[14]] as Combination[];

/** Every way to begin that leaves a tier out. */
const PARTS: TierId[][] = [
  ['db'],
  ['agent'],
  ['interface'],
  ['db', 'agent'],
  ['agent', 'interface'],
  ['interface', 'db'],
];

/** Each order in which the tiers can be added. */
const ORDERS: TierId[][] = TIERS.flatMap((first) =>
  missingFrom(new Set([first])).flatMap((second) => [[first, second, ...missingFrom(new Set([first, second]))]]),
);

function emptyFolder(name: string): string {
  const folder = path.join(temporaryFolder(), name);
  mkdirSync(folder);
  return folder;
}

/** The flags that a tier needs for its part of a combination; the agent has to know its database. */
function flagsOf(tier: TierId, { database, logic, interface: way }: Combination): string[] {
  return {
    db: ['--database', database],
    agent: ['--database', database, '--logic', logic],
    interface: ['--interface', way],
  }[tier];
}

/** Runs tiers one after the other in an empty folder; the folder. */
async function build(tiers: readonly TierId[], combination: Combination): Promise<string> {
  const cwd = emptyFolder('lyco');
  for (const tier of tiers) {
    const { exitCode, lines } = await run(cwd, tier, ['--yes', ...flagsOf(tier, combination)]);
    assert.equal(exitCode, 0, lines.join('\n'));
  }
  return cwd;
}

function stored(project: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path.join(project, '.yo-rc.json'), 'utf8'))['generator-three-tier'];
}

/** Whether a text names a file, by its path in the project. */
function mentions(text: string, name: string): boolean {
  const words = text.match(/[\w./-]+/g) ?? [];
  return words.some((word) => word.replace(/^\.\//, '').replace(/\.$/, '') === name || word.startsWith(name));
}

for (const tier of TIERS) {
  describe(`three-tier:${tier}`, () => {
    it('finds nothing to do in a project that was just written', async () => {
      const cwd = temporaryFolder();
      await run(cwd, 'app', ['lyco', '--yes']);
      const before = readTree(cwd);
      const { exitCode, lines } = await run(path.join(cwd, 'agents/lyco'), tier);
      assert.deepEqual([exitCode, lines], [0, ['lyco is up to date.']]);
      assert.deepEqual(readTree(cwd), before);
    });

    it('asks at a terminal only what it is about', async () => {
      const cwd = temporaryFolder();
      await run(cwd, 'app', ['lyco', '--yes']);
      const answers = { database: 'postgres', logic: 'langgraph', interface: 'api' };
      const { asked } = await run(path.join(cwd, 'agents/lyco'), tier, [], { answers });
      assert.deepEqual(asked, [QUESTION[tier]]);
    });

    it('asks in an empty folder for the name too, and suggests that of the folder', async () => {
      const cwd = emptyFolder('lyco');
      const answers = { name: 'lyco', database: 'redis', logic: 'business', interface: 'web' };
      const { asked } = await run(cwd, tier, [], { answers });
      assert.deepEqual(asked, ASKED[tier]);
      assert.equal((await run(emptyFolder('lyco'), tier, ['--yes'])).exitCode, 0);
      assert.equal(stored(cwd).name, 'lyco');
      assert.deepEqual(stored(cwd).tiers, [tier]);
    });

    it('says in an empty folder what is there, what is missing and how to add it', async () => {
      const { lines } = await run(emptyFolder('lyco'), tier, ['--yes']);
      const missing = missingFrom(new Set([tier]));
      assert.match(lines[0] ?? '', /^lyco has (PostgreSQL|LangGraph|API)\. Missing: the \w+ and the \w+\./);
      assert.deepEqual(
        lines.slice(1).map((line) => line.trim().split(/ {2,}/)[0]),
        missing.map((other) => `yo three-tier:${other}`),
      );
    });

    it('takes another name by --name, and asks for it where that of the folder will not do', async () => {
      const cwd = emptyFolder('My Agent');
      const { exitCode, lines } = await run(cwd, tier, ['--yes']);
      assert.deepEqual([exitCode, readdirSync(cwd)], [1, []]);
      assert.deepEqual(lines, ['--name: "My Agent" cannot be the agent\'s name; give one, as in --name my-agent.']);
      await run(cwd, tier, ['--yes', '--name', 'hades']);
      assert.equal(stored(cwd).name, 'hades');
      const { lines: renamed } = await run(cwd, tier, ['--yes', '--name', 'lyco']);
      assert.match(renamed[0] ?? '', /^name: the project in .*My Agent is called hades; leave the flag out\.$/);
    });

    it('writes into a fresh repository, and not among other files', async () => {
      const cwd = emptyFolder('lyco');
      mkdirSync(path.join(cwd, '.git'));
      assert.equal((await run(cwd, tier, ['--yes'])).exitCode, 0);
      const occupied = emptyFolder('lyco');
      writeFileSync(path.join(occupied, 'thesis.txt'), 'mine');
      const { exitCode, lines } = await run(occupied, tier, ['--yes']);
      assert.deepEqual([exitCode, lines.length, readdirSync(occupied)], [1, 1, ['thesis.txt']]);
      assert.match(lines[0] ?? '', /lyco is there already and is no three-tier project/);
    });

    it('shows with --dry-run what it would write, and writes nothing', async () => {
      const cwd = emptyFolder('lyco');
      const { lines } = await run(cwd, tier, ['--yes', '--dry-run']);
      assert.ok(lines.includes('      create docker-compose.yml'), lines.join('\n'));
      assert.deepEqual(readdirSync(cwd), []);
    });

    it('refuses the flags of other tiers', async () => {
      const cwd = temporaryFolder();
      const { exitCode, lines } = await run(cwd, tier, ['--output', 'x']);
      assert.deepEqual([exitCode, lines], [1, ['--output: there is no such flag; --help lists them all.']]);
    });
  });
}

describe('the name of the database and its user', () => {
  const names: [DatabaseId, string, string][] = [
    ['postgres', 'lyco-2', 'lyco_2'],
    ['postgres', 'pg-helper', 'agent_pg_helper'],
    ['postgres', 'public', 'agent_public'],
    ['postgres', 'postgres', 'agent_postgres'],
    ['postgres', 'template1', 'agent_template1'],
    ['postgres', 'admin', 'admin'],
    ['redis', 'admin', 'agent_admin'],
    ['redis', 'postgres', 'postgres'],
    ['mongo', 'admin', 'agent_admin'],
    ['mongo', 'config', 'agent_config'],
    ['mongo', 'root', 'agent_root'],
  ];
  for (const [database, name, identifier] of names) {
    it(`of ${name} on ${database} is ${identifier}`, async () => {
      const project = await generate(temporaryFolder(), name, { database, logic: 'business', interface: 'api' });
      const template = readFileSync(path.join(project, '.env.template'), 'utf8');
      assert.match(template, new RegExp(`^DB_NAME=${identifier}\nDB_USER=${identifier}$`, 'm'));
      assert.ok(!databases[database].reserved.test(identifier));
    });
  }

  it('is not one that another kind of database, to which the project is changed, keeps for itself', async () => {
    const project = await generate(temporaryFolder(), 'admin', combinations[0] as Combination);
    const before = readTree(project);
    const { exitCode, lines } = await run(project, 'db', ['--database', 'redis', '--yes']);
    assert.equal(exitCode, 1);
    assert.match(
      lines.join('\n'),
      /^--database: Redis keeps the name "admin" .*; make a new project, called admin-agent/,
    );
    assert.deepEqual(readTree(project), before);
  });
});

it('a tier changes its own answers and its share of the common files', async () => {
  const [one, two] = [temporaryFolder(), temporaryFolder()];
  await run(one, 'app', ['lyco', '--yes']);
  await run(path.join(one, 'agents/lyco'), 'agent', ['--agent-port', '9000']);
  await run(path.join(one, 'agents/lyco'), 'interface', ['--interface-port', '9001']);
  await run(two, 'app', ['lyco', '--yes', '--agent-port', '9000', '--interface-port', '9001']);
  assert.deepEqual(readTree(one), readTree(two), 'the same bytes as all at once');
});

describe('tiers that are added one by one', () => {
  for (const [number, order] of ORDERS.entries()) {
    const combination = VARIED[number % VARIED.length] as Combination;
    it(`give the same bytes as all at once: ${order.join(', ')} of ${label(combination)}`, async () => {
      const whole = await generate(temporaryFolder(), 'lyco', combination);
      assert.deepEqual(readTree(await build(order, combination)), readTree(whole));
    });
  }

  it('are completed by yo three-tier, which says how to go on', async () => {
    const [combination] = VARIED as [Combination];
    const cwd = await build(['interface'], combination);
    const { lines } = await run(cwd, 'app', ['--yes', ...flagsOf('agent', combination)]);
    assert.match(lines.join('\n'), /lyco is written: API → LangGraph → PostgreSQL\./);
    assert.deepEqual(readTree(cwd), readTree(await generate(temporaryFolder(), 'lyco', combination)));
  });

  it('keep what was edited in between', async () => {
    const [combination] = VARIED as [Combination];
    const cwd = await build(['db'], combination);
    const compose = path.join(cwd, 'docker-compose.yml');
    writeFileSync(compose, readFileSync(compose, 'utf8').replace('max-size: 10m', 'max-size: 99m'));
    assert.equal((await run(cwd, 'agent', ['--yes'])).exitCode, 0);
    assert.match(readFileSync(compose, 'utf8'), /max-size: 99m[\s\S]*lyco-postgres:[\s\S]*lyco-agent:/);
  });
});

describe('a project that lacks tiers', () => {
  for (const combination of VARIED) {
    for (const part of PARTS) {
      const what = `${inOrder(new Set(part)).join(' and ')} of ${label(combination)}`;

      it(`names no file that is not there yet: ${what}`, async () => {
        const whole = readTree(await generate(temporaryFolder(), 'lyco', combination));
        const files = readTree(await build(part, combination));
        const absent = [...whole.keys()].filter((file) => !files.has(file));
        const names = [...absent, ...TIERS.filter((tier) => !part.includes(tier)).map((tier) => `${tier}/`)];
        for (const [file, contents] of files) {
          // What a program says about its neighbour, and the libraries of others, are the same in every project.
          if (/\.py$|\/vendor\/|^\.three-tier\/|requirements/.test(file)) continue;
          for (const name of names) {
            assert.ok(!mentions(contents, name), `${file} names ${name}`);
          }
        }
      });

      it(`has settings and a compose file that fit, which Docker accepts: ${what}`, async function () {
        const cwd = await build(part, combination);
        const compose = readFileSync(path.join(cwd, 'docker-compose.yml'), 'utf8');
        const template = readFileSync(path.join(cwd, '.env.template'), 'utf8');
        const used = new Set([...compose.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, variable]) => variable));
        const offered = new Set([...template.matchAll(/^([A-Z_]+)=/gm)].map(([, variable]) => variable));
        used.delete('COMPOSE_PROJECT_NAME'); // Compose sets it
        assert.deepEqual([...used].sort(), [...offered].sort());
        for (const file of ['docker-compose.yml', '.env.template', 'README.md', '.gitignore']) {
          const contents = readFileSync(path.join(cwd, file), 'utf8');
          assert.match(contents, /[^\n]\n$/, `${file} ends with one newline`);
          assert.doesNotMatch(contents, /\n\n\n|[ \t]\n|undefined/, file);
        }
        const made = await check(this, 'env', ['ops/three-tier', 'env'], cwd);
        assert.equal(made.status, 0, made.output);
        assert.doesNotMatch(readFileSync(path.join(cwd, '.env'), 'utf8'), /(PASSWORD|AGENT_TOKEN|SECRET)=$/m);
        const config = await check(this, 'docker', ['compose', 'config', '--quiet'], cwd);
        assert.deepEqual([config.status, config.output], [0, '']);
      });
    }
  }

  it('is refused where its list of tiers makes no sense', async () => {
    const cwd = await build(['db'], VARIED[0] as Combination);
    const config = path.join(cwd, '.yo-rc.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('"db"', '"cache"'));
    const { exitCode, lines } = await run(cwd, 'agent', ['--yes']);
    assert.equal(exitCode, 1);
    assert.match(
      lines[0] ?? '',
      /\.yo-rc\.json: tiers: \["cache"\] is not a list of tiers; use db, agent, interface\.$/,
    );
    assert.ok(!existsSync(path.join(cwd, 'agent')));
  });
});
