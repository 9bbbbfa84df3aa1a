import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Generator from 'yeoman-generator';
import { createHelpers } from 'yeoman-test';
import { readBaseline } from '../generators/shared/baseline.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { compose, foreign, type Step, type Steps } from './support/foreign.ts';
import { GENERATORS, run } from './support/generate.ts';

const TIERS = ['db', 'agent', 'interface'];
const SERVICE = '\n  lyco-cache:\n    <<: *hardened\n    image: redis:7-alpine\n    networks: [lyco-network]\n';

/** The folder of a run, and the project in it. */
function place(): { cwd: string; project: string } {
  const cwd = temporaryFolder();
  return { cwd, project: path.join(cwd, 'agents/lyco') };
}

function contentsOf(project: string, file: string): string {
  return readFileSync(path.join(project, file), 'utf8');
}

/** Composes `three-tier:app` in a step. */
function composing(options: object = { yes: true }): Step {
  return (generator) => compose(generator, 'app', options, 'lyco');
}

/** Adds a service to the Compose file. */
function extend(
  generator: { fs: { read(file: string): string; write(file: string, text: string): void } },
  root: string,
): void {
  const compose = path.join(root, 'docker-compose.yml');
  generator.fs.write(compose, generator.fs.read(compose).replace('\nnetworks:\n', `${SERVICE}\nnetworks:\n`));
}

/** All that a run has said. */
function said(env: { adapter: { log: unknown } }): string {
  const { mock } = env.adapter.log as { mock: { calls: { arguments: unknown[] }[] } };
  return mock.calls.map((call) => String(call.arguments[0])).join('\n');
}

describe('a generator of another package', () => {
  for (const priority of ['initializing', 'prompting', 'configuring'] as const) {
    it(`composes three-tier:app in ${priority}, extends its files and writes its own`, async () => {
      const { cwd, project } = place();
      await foreign(cwd, {
        [priority]: composing(),
        writing(generator) {
          extend(generator, project);
          generator.fs.append(path.join(project, 'README.md'), '## Cache\n\nAt lyco-cache.\n');
          generator.fs.write(path.join(project, 'agent/cache.py'), '"""The cache."""\n');
          generator.writeDestination('acme.txt', 'kept');
          generator.config.set('answer', 42);
          generator.packageJson.set('name', 'acme');
        },
      });
      assert.match(contentsOf(project, 'docker-compose.yml'), /lyco-cache:[\s\S]*^networks:$/m);
      assert.match(contentsOf(project, 'README.md'), /## Cache\n\nAt lyco-cache\.\n$/);
      assert.equal(contentsOf(project, 'agent/cache.py'), '"""The cache."""\n');
      assert.equal(contentsOf(cwd, 'acme.txt'), 'kept');
      assert.deepEqual(JSON.parse(contentsOf(cwd, '.yo-rc.json')), { '*': { answer: 42 } });
      assert.deepEqual(JSON.parse(contentsOf(cwd, 'package.json')), { name: 'acme' });
      const { exitCode } = await run(project, 'update');
      assert.equal(exitCode, 0);
      assert.match(contentsOf(project, 'docker-compose.yml'), /lyco-cache:/, 'an update takes it for an edit');
    });
  }

  it('finds the files of a project that it composes in writing in its later priorities', async () => {
    const { cwd, project } = place();
    await foreign(cwd, {
      writing(generator) {
        generator.writeDestination('early.txt', 'kept');
        return composing()(generator);
      },
      conflicts: (generator) => extend(generator, project),
    });
    assert.match(contentsOf(project, 'docker-compose.yml'), /lyco-cache:/);
    assert.equal(contentsOf(cwd, 'early.txt'), 'kept');
  });

  it('composes the three tiers, which write the same bytes as three-tier:app', async () => {
    const { cwd, project } = place();
    await run(cwd, 'app', ['lyco', '--yes', '--database', 'redis', '--interface', 'web']);
    for (const order of [TIERS, [...TIERS].reverse()]) {
      const target = path.join(temporaryFolder(), 'lyco');
      mkdirSync(target);
      await foreign(target, {
        async initializing(generator) {
          const options: Record<string, object> = { db: { database: 'redis' }, interface: { interface: 'web' } };
          for (const tier of order) await compose(generator, tier, { yes: true, ...options[tier] });
        },
      });
      assert.deepEqual(readTree(target), readTree(project), order.join(', '));
    }
  });

  it('composes three-tier:app for two agents', async () => {
    const { cwd, project } = place();
    await foreign(cwd, {
      async initializing(generator) {
        await compose(generator, 'app', { yes: true }, 'lyco');
        await compose(generator, 'app', { yes: true, agentPort: 9000, interfacePort: 9001 }, 'hades');
      },
    });
    const alone = temporaryFolder();
    await run(alone, 'app', ['lyco', '--yes']);
    assert.deepEqual(readTree(project), readTree(path.join(alone, 'agents/lyco')));
    assert.match(contentsOf(cwd, 'agents/hades/.env.template'), /^AGENT_PORT=9000$/m);
  });

  it('has its projects written where its destinationRoot says', async () => {
    const { cwd } = place();
    await foreign(cwd, {
      async initializing(generator) {
        generator.destinationRoot(path.join(cwd, 'target'));
        await compose(generator, 'app', { yes: true }, 'lyco');
        await compose(generator, 'db', { yes: true, name: 'hades' });
        generator.config.set('answer', 42);
      },
    });
    assert.ok(existsSync(path.join(cwd, 'target/agents/lyco/deploy.sh')));
    assert.deepEqual(readdirSync(cwd), ['target']);
    const config = JSON.parse(contentsOf(cwd, 'target/.yo-rc.json'));
    assert.deepEqual([config['*'], config['generator-three-tier'].name], [{ answer: 42 }, 'hades'], 'both keep theirs');
  });

  it('may forward its options, and those of Yeoman are taken from whoever is typed', async () => {
    const { cwd, project } = place();
    await foreign(
      cwd,
      {
        initializing: (generator) =>
          generator.composeWith('three-tier:app', { forwardOptions: true, generatorArgs: ['lyco'] }),
      },
      { yes: true, mine: 'forwarded', database: 'redis' },
    );
    assert.match(contentsOf(project, 'docker-compose.yml'), /^ {2}lyco-redis:$/m);
    const yeomans = ['--skip-yo-resolve', '--ignore-whitespace', '--skip-install', '--skip-cache', '--no-insight'];
    const { exitCode, lines } = await run(project, 'app', yeomans);
    assert.deepEqual([exitCode, lines], [0, ['lyco is up to date.']]);
  });

  it('finds what it added merged with what the owner has edited since', async () => {
    const { cwd, project } = place();
    const steps: Steps = {
      initializing: composing(),
      writing: (generator) => extend(generator, project),
    };
    await foreign(cwd, steps);
    const before = readTree(project);
    await foreign(cwd, steps);
    assert.deepEqual(readTree(project), before, 'a second run changes nothing');
    appendFileSync(path.join(project, 'docker-compose.yml'), '# mine\n');
    await foreign(cwd, { ...steps, initializing: composing({ yes: true, agentPort: 9000 }) });
    const compose = contentsOf(project, 'docker-compose.yml');
    assert.match(compose, /AGENT_PORT-9000[\s\S]*lyco-cache:[\s\S]*\n# mine\n$/);
    assert.equal(compose.match(/lyco-cache:/g)?.length, 1);
    assert.doesNotMatch(readBaseline(project)?.files.get('docker-compose.yml') ?? '', /lyco-cache/);
  });

  it('adds a tier to a project in the middle of a run, which keeps what was changed before', async () => {
    const cwd = path.join(temporaryFolder(), 'lyco');
    mkdirSync(cwd);
    await foreign(cwd, {
      initializing: (generator) => compose(generator, 'db', { yes: true }),
      async writing(generator) {
        generator.fs.append(path.join(cwd, 'docker-compose.yml'), '# theirs\n');
        for (const tier of ['agent', 'interface']) await compose(generator, tier, { yes: true });
      },
    });
    assert.match(contentsOf(cwd, 'docker-compose.yml'), /lyco-postgres:[\s\S]*lyco-agent:[\s\S]*\n# theirs\n$/);
    assert.ok(existsSync(path.join(cwd, 'ops/operations/kinds.py')), 'what comes with the last tier is there');
  });

  it('changes an answer in the middle of a run, after which nothing is left of the former', async () => {
    const { cwd, project } = place();
    await run(cwd, 'app', ['lyco', '--yes', '--database', 'redis']);
    const target = path.join(temporaryFolder(), 'lyco');
    mkdirSync(target);
    const former = path.join(target, 'agent/three_tier/agent/postgres/memory.py');
    await foreign(target, {
      initializing: (generator) => compose(generator, 'agent', { yes: true }),
      async writing(generator) {
        assert.ok(generator.fs.exists(former));
        await compose(generator, 'db', { yes: true, database: 'redis' });
        await compose(generator, 'interface', { yes: true });
      },
      conflicts: (generator) => assert.ok(!generator.fs.exists(former)),
    });
    assert.deepEqual(readTree(target), readTree(project));
  });

  it('shows what would be written in a dry run of all, and writes nothing', async () => {
    const { cwd, project } = place();
    const { env } = await foreign(
      cwd,
      {
        initializing: composing(),
        writing: (generator) => {
          extend(generator, project);
          generator.writeDestination('acme.txt', 'kept');
        },
      },
      { dryRun: true },
    );
    assert.match(said(env), /Other generators have changed docker-compose\.yml\.[\s\S]*create docker-compose\.yml/);
    assert.match(said(env), /^Yeoman shows what the other generators would write\.$/m);
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('writes its own files where only three-tier is run dry, and is told so', async () => {
    const { cwd } = place();
    const { env } = await foreign(cwd, {
      initializing: composing({ yes: true, dryRun: true }),
      writing: (generator) => void generator.writeDestination('acme.txt', 'kept'),
    });
    assert.match(
      said(env),
      /^The files of the other generators are written: this was a dry run of three-tier alone\.$/m,
    );
    assert.deepEqual(readdirSync(cwd), ['acme.txt']);
  });
});

describe('what goes wrong in a composed run', () => {
  const refused = async (cwd: string, steps: Steps, message: RegExp) => {
    const before = readTree(cwd);
    await assert.rejects(Promise.resolve(foreign(cwd, steps)), message);
    assert.deepEqual(readTree(cwd), before, 'nothing is written');
  };
  const writing: Step = (generator) => void generator.writeDestination('acme.txt', 'kept');

  it('a wrong answer is thrown where it is composed, and the other generator may handle it', async () => {
    const { cwd } = place();
    await refused(
      cwd,
      { initializing: composing({ database: 'oracle' }), writing },
      /^UsageError: --database: "oracle" is/,
    );
    await foreign(cwd, {
      async initializing(generator) {
        const composed = compose(generator, 'db', { database: 'oracle' });
        await assert.rejects(Promise.resolve(composed), /--database: "oracle" is not a choice/);
      },
      writing,
    });
    assert.deepEqual(readdirSync(cwd), ['acme.txt']);
  });

  it('a wrong answer to a question ends the run', async () => {
    const { cwd } = place();
    const steps = { initializing: composing({}), writing };
    const context = foreign(cwd, steps).withAnswers({ database: 'oracle', logic: 'business', interface: 'api' });
    await assert.rejects(Promise.resolve(context), /^UsageError: --database: "oracle" is not a choice/);
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('two answers to one question are refused', async () => {
    const { cwd } = place();
    const initializing: Step = async (generator) => {
      await compose(generator, 'db', { yes: true, name: 'lyco', database: 'redis' });
      await compose(generator, 'agent', { yes: true, database: 'mongo' });
    };
    await refused(cwd, { initializing, writing }, /database: both redis and mongo are given for/);
    const twice: Step = async (generator) => {
      await compose(generator, 'app', { yes: true }, 'lyco');
      await compose(generator, 'app', { yes: true, agentPort: 9000 }, 'lyco');
      await compose(generator, 'app', { yes: true, agentPort: 9001 }, 'lyco');
    };
    await refused(cwd, { initializing: twice, writing }, /agentPort: both 9000 and 9001 are given for/);
  });

  it('a file that the other has written before ours are there is refused', async () => {
    const { cwd, project } = place();
    const initializing: Step = (generator) => {
      generator.fs.write(path.join(project, 'deploy.sh'), 'theirs');
      return composing()(generator);
    };
    await refused(cwd, { initializing, writing }, /deploy\.sh: another generator has changed it before it was there/);
  });

  it('a file that the other writes over ours is an edit of it, and is told', async () => {
    const { cwd, project } = place();
    const { env } = await foreign(cwd, {
      initializing: composing(),
      writing: (generator) => {
        generator.fs.write(path.join(project, 'deploy.sh'), '#!/bin/sh\nexec acme deploy\n');
        generator.fs.delete(path.join(project, 'pyproject.toml'));
      },
    });
    assert.match(said(env), /^Other generators have changed deploy\.sh, pyproject\.toml\.$/m);
    assert.ok(!existsSync(path.join(project, 'pyproject.toml')));
    const { lines } = await run(project, 'app', ['--yes', '--agent-port', '9000']);
    assert.ok(lines.includes(' you deleted pyproject.toml'));
    assert.equal(contentsOf(project, 'deploy.sh'), '#!/bin/sh\nexec acme deploy\n');
  });

  it('nothing of ours is there where the other fails halfway', async () => {
    const { cwd, project } = place();
    const fail = () => {
      throw new Error('halfway');
    };
    for (const priority of ['prompting', 'writing', 'conflicts'] as const) {
      await refused(cwd, { initializing: composing(), [priority]: fail }, /halfway/);
    }
    await run(cwd, 'app', ['lyco', '--yes']);
    const steps = { initializing: composing({ yes: true, agentPort: 9000 }), writing: fail };
    await refused(cwd, steps, /halfway/);
    assert.ok(existsSync(project));
  });

  it('what two others change in one file is all there', async () => {
    const { cwd, project } = place();
    await foreign(cwd, {
      initializing: composing(),
      configuring: (generator) =>
        generator.composeWith({
          Generator: class extends Generator {
            writing() {
              this.fs.append(path.join(project, 'docker-compose.yml'), '# the second');
            }
          },
          path: path.join(cwd, 'generator-second/index.js'),
        } as never),
      writing: (generator) => extend(generator, project),
    });
    assert.match(contentsOf(project, 'docker-compose.yml'), /lyco-cache:[\s\S]*\n# the second$/);
  });

  it('a change that a tier composed later collides with is refused', async () => {
    const { cwd } = place();
    const steps: Steps = {
      initializing: (generator) => compose(generator, 'db', { yes: true, name: 'lyco' }),
      writing(generator) {
        extend(generator, cwd);
        return compose(generator, 'agent', { yes: true });
      },
    };
    await refused(
      cwd,
      steps,
      /docker-compose\.yml: another generator has changed lines that a tier composed later changes too/,
    );
  });

  it('a change of a file that a tier composed later does without is refused', async () => {
    const { cwd } = place();
    const steps: Steps = {
      initializing: (generator) => compose(generator, 'agent', { yes: true, name: 'lyco' }),
      writing(generator) {
        generator.fs.append(path.join(cwd, 'agent/three_tier/agent/postgres/memory.py'), '# theirs\n');
        return compose(generator, 'db', { yes: true, database: 'redis' });
      },
    };
    await refused(
      cwd,
      steps,
      /agent\/three_tier\/agent\/postgres\/memory\.py: another generator has changed it, and a tier composed later does without it/,
    );
  });

  it('a conflict with an edit is left open, the files of all are written, and the run ends with it', async () => {
    const { cwd, project } = place();
    await run(cwd, 'app', ['lyco', '--yes']);
    const template = path.join(project, '.env.template');
    writeFileSync(template, contentsOf(project, '.env.template').replace('AGENT_PORT=8000', 'AGENT_PORT=7000'));
    const steps = { initializing: composing({ yes: true, agentPort: 9000 }), writing };
    await assert.rejects(Promise.resolve(foreign(cwd, steps)), /^UsageError: \.env\.template: edited where there is/);
    assert.match(contentsOf(project, '.env.template.new'), /^AGENT_PORT=9000$/m);
    assert.equal(contentsOf(cwd, 'acme.txt'), 'kept');
    await foreign(cwd, { initializing: composing({ yes: true, agentPort: 9001 }) }, { force: true });
    assert.match(contentsOf(project, '.env.template'), /^AGENT_PORT=9001$/m, '--force of the other is ours too');
  });

  it('--bail ends a run that would change anything, before it does', async () => {
    const { cwd, project } = place();
    const context = foreign(cwd, { initializing: composing(), writing }, { bail: true });
    await assert.rejects(Promise.resolve(context), /--bail: \S+ would change, so nothing was written\./);
    assert.deepEqual(readdirSync(cwd), []);
    await run(cwd, 'app', ['lyco', '--yes']);
    await foreign(cwd, { initializing: composing() }, { bail: true });
    assert.ok(existsSync(project));
  });
});

describe('under yeoman-test', () => {
  const app = path.join(GENERATORS, 'app/index.js');

  it('withAnswers answers, and getSnapshot holds what is written', async () => {
    const answers = { name: 'hades', database: 'mongo', logic: 'business', interface: 'telegram' };
    const result = await createHelpers({}).create(app).withAnswers(answers);
    assert.deepEqual(
      result.askedQuestions.map(({ name }) => name),
      ['name', 'database', 'logic', 'interface'],
    );
    const snapshot = result.getSnapshot();
    const written = readTree(path.join(result.cwd, 'agents/hades'));
    written.delete('.three-tier/baseline.json.gz');
    assert.deepEqual(Object.keys(snapshot).sort(), [...written.keys()].map((file) => `agents/hades/${file}`).sort());
    assert.match(snapshot['agents/hades/docker-compose.yml']?.contents ?? '', /^name: hades$/m);
    result.assertFileContent('agents/hades/docker-compose.yml', 'hades-mongo:');
    result.cleanup();
  });

  it('withYoRcConfig stands for a project that is there', async () => {
    const config = { name: 'hades', database: 'redis', logic: 'business', interface: 'web', tiers: TIERS };
    const result = await createHelpers({}).create(app).withYoRcConfig('generator-three-tier', config);
    assert.deepEqual(result.askedQuestions, []);
    result.assertFileContent('docker-compose.yml', 'hades-redis:');
    result.assertJsonFileContent('.yo-rc.json', { 'generator-three-tier': { ...config, agentPort: 8000 } });
    result.cleanup();
  });

  it('a run that fails is rejected, and nothing is written', async () => {
    const context = createHelpers({}).create(app).withArguments(['lyco', '--database', 'oracle']);
    await assert.rejects(Promise.resolve(context), {
      name: 'UsageError',
      message: /--database: "oracle" is not a choice/,
    });
    assert.deepEqual(readdirSync(context.targetDirectory as string), []);
    assert.equal(process.exitCode, undefined);
    context.cleanup();
  });
});
