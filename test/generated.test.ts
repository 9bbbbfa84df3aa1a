import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { LogicId } from '../generators/agent/logics/index.ts';
import { type DatabaseId, databases } from '../generators/db/databases/index.ts';
import type { InterfaceId } from '../generators/interface/interfaces/index.ts';
import { combinations, extrasOf, generateAll, label } from './support/combinations.ts';
import { copyOf, readTree } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { check } from './support/tools.ts';

/** What gives a kind away in a project that did not choose it. */
const TRACES: Record<DatabaseId | LogicId | InterfaceId, RegExp> = {
  postgres: /postgres|asyncpg|psql|pg_/i,
  langgraph: /lang(graph|chain)|openai_api_key|llm_|\bllms?\b/i,
  business: /shopping|can_replay/i,
  mongo: /mongo/i,
  redis: /redis|valkey|append(only|fsync)|xadd/i,
  api: /api_keys|rate_limit|completion_types/i,
  telegram: /telegram|botfather/i,
  web: /web_password|session_secret|root_path|itsdangerous/i,
};

/** Locks name packages of packages, in which a kind that was not chosen may well occur. */
const LOCK = /requirements(-dev)?\.txt$/;

/** Logics whose projects have a language model to speak of. */
const MODELS: Record<LogicId, boolean> = { langgraph: true, business: false };

/** Variables of stack.yml that are no settings: ops/three-tier swarm makes them. */
const MADE = /^(STACK(_PREFIX)?|FILES_HASH|(DATABASE|AGENT|INTERFACE)_IMAGE|SECRET_.*)$/;

/** Settings whose values are secrets, and those of them that no container gets. */
const SECRET = /(PASSWORD|SECRET|TOKEN|KEYS?)$/;
const OF_THE_HOST = /^(BACKUP|RESTIC)_/;

/** Files that are not written by hand: the baseline, and libraries as they were published. */
const FOREIGN = /^\.three-tier\/|\/vendor\//;

/** Settings that are one in the image, or come with the container. */
const INSIDE = new Set(['HOST', 'PORT']);

/** Settings that something else than our Python reads: the server of HTTP, and the health check. */
const ELSEWHERE = new Set(['FORWARDED_ALLOW_IPS', 'LIVENESS_TIMEOUT']);

const projects = generateAll();

for (const combination of combinations) {
  describe(`a project of ${label(combination)}`, () => {
    const project = () => projects.get(label(combination)) as string;

    it('has the files of the three tiers', () => {
      for (const file of [
        'docker-compose.yml',
        '.env.template',
        '.gitignore',
        'README.md',
        'deploy.sh',
        'ops/verify.sh',
      ]) {
        assert.ok(existsSync(path.join(project(), file)), file);
      }
      for (const tier of ['agent', 'interface']) {
        for (const file of ['Dockerfile', '.dockerignore', 'main.py', 'requirements.txt', 'tests']) {
          assert.ok(existsSync(path.join(project(), tier, file)), `${tier}/${file}`);
        }
      }
      assert.ok(!existsSync(path.join(project(), '.env')), 'secrets are made where the project runs');
    });

    it('holds no trace of what was not chosen, and none of the templates', () => {
      const chosen: string[] = Object.values(combination);
      const others = Object.entries(TRACES).filter(([id]) => !chosen.includes(id));
      for (const [file, contents] of readTree(project())) {
        if (FOREIGN.test(file)) continue;
        assert.doesNotMatch(contents, /<%|%>|\[object |three-tier-generator|TODO|FIXME/, file);
        if (!file.endsWith('.js')) assert.doesNotMatch(contents, /(?<!-)\bundefined\b/, file);
        if (LOCK.test(file)) continue;
        for (const [id, trace] of others) assert.doesNotMatch(contents, trace, `${file} mentions ${id}`);
      }
    });

    it('speaks of a model only if it has one, or where an API asks for it', () => {
      for (const [file, contents] of readTree(project())) {
        if (MODELS[combination.logic] || LOCK.test(file)) continue;
        if (/^(agent|ops)\/|^[^/]+$/.test(file) && !['README.md', 'ops/operations/interfaces/api.py'].includes(file)) {
          // In quotes it is FastAPI's word for the schema of an answer.
          assert.doesNotMatch(contents, /(?<!")\b(models?|prompts?|LLMs?)\b/i, file);
        }
      }
    });

    it('reads as if written by hand', () => {
      for (const [file, contents] of readTree(project())) {
        if (FOREIGN.test(file)) continue;
        if (contents === '') continue;
        assert.match(contents, /[^\n]\n$/, `${file} ends with one newline`);
        assert.doesNotMatch(contents, /[ \t]\n/, `${file} has blanks at the end of a line`);
        assert.doesNotMatch(contents, /\r/, `${file} has a carriage return`);
        const prose = contents.replace(/^```python\n[\s\S]*?^```$/gm, '(code)');
        if (!file.endsWith('.py')) assert.doesNotMatch(prose, /\n\n\n/, `${file} has two blank lines in a row`);
      }
    });

    it('names in the compose file or a script the variables of .env.template, and in that those of the two', () => {
      const [compose, context, template] = ['docker-compose.yml', 'ops/operations/context.py', '.env.template'].map(
        (file) => readFileSync(path.join(project(), file), 'utf8'),
      ) as [string, string, string];
      const used = new Set([...compose.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, variable]) => variable));
      const [own = ''] = context.match(/^OWN_SETTINGS = .*(?:\n {4}.*)*/m) ?? [];
      for (const [, variable] of own.matchAll(/"([A-Z_]+)"/g)) used.add(variable);
      if (existsSync(path.join(project(), 'stack.yml'))) used.add('REGISTRY');
      const offered = new Set([...template.matchAll(/^([A-Z_]+)=/gm)].map(([, variable]) => variable));
      used.delete('COMPOSE_PROJECT_NAME'); // Compose sets it
      assert.deepEqual([...used].sort(), [...offered].sort());
    });

    it('gives each tier the settings that are named anywhere, and none that it does not read', () => {
      const files = [...readTree(project())].filter(([file]) => !FOREIGN.test(file) && !LOCK.test(file));
      const named = (variable: string) =>
        files.some(
          ([file, contents]) =>
            !/\/tests\/|docker-compose\.yml$|stack\.yml$/.test(file) && new RegExp(`\\b${variable}\\b`).test(contents),
        );
      for (const tier of ['agent', 'interface']) {
        const read = files
          .filter(([file]) => file.startsWith(`${tier}/`))
          .flatMap(([, contents]) => [...contents.matchAll(/^class \w+\(\w*Settings\):\n((?:(?: {4}.*)?\n)+)/gm)])
          .flatMap(([, body = '']) => [...body.matchAll(/^ {4}([a-z_]+): /gm)])
          .map(([, field = '']) => field.toUpperCase())
          .filter((variable) => !INSIDE.has(variable));
        assert.ok(read.length > 5, tier);
        for (const [file, service] of Object.entries({
          'docker-compose.yml': `${path.basename(project())}-${tier}`,
          'stack.yml': tier,
        })) {
          if (!existsSync(path.join(project(), file))) continue;
          const contents = readFileSync(path.join(project(), file), 'utf8');
          const [, block = ''] = contents.match(new RegExp(`^  ${service}:\\n((?: {4}.*\\n)+)`, 'm')) ?? [];
          const [, variables = ''] = block.match(/^ {4}environment:\n((?: {6}.*\n)+)/m) ?? [];
          const [, secrets = ''] = block.match(/^ {4}secrets:\n((?: {6}.*\n)+)/m) ?? [];
          const given = new Set([
            ...[...variables.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, variable]) => variable),
            ...[...secrets.matchAll(/(?:- |target: )([a-z_]+)(?:$|\})/gm)].map(([, secret]) => secret?.toUpperCase()),
          ]);
          for (const variable of read) assert.ok(given.has(variable) || !named(variable), `${variable} in ${file}`);
          for (const variable of given) {
            assert.ok(read.includes(variable ?? '') || ELSEWHERE.has(variable ?? ''), `${variable} in ${file}`);
          }
        }
      }
    });

    it('says in the README what is true of its files and of its interface', () => {
      const [readme, compose] = ['README.md', 'docker-compose.yml'].map((file) =>
        readFileSync(path.join(project(), file), 'utf8'),
      ) as [string, string];
      for (const [, file = ''] of readme.matchAll(/`((?:agent|interface|ops)\/[\w/]+\.\w+)`/g)) {
        assert.ok(existsSync(path.join(project(), file)), file);
      }
      for (const [, name, file = ''] of readme.matchAll(/the class `(\w+)` in `([\w/.]+)`/g)) {
        assert.match(readFileSync(path.join(project(), file), 'utf8'), new RegExp(`^class ${name}\\b`, 'm'));
      }
      const hasPort = /INTERFACE_PORT/.test(compose);
      assert.equal(/The interface is what others reach/.test(readme), hasPort);
      const swarm = path.join(project(), 'stack.yml');
      if (existsSync(swarm)) assert.equal(/INTERFACE_PORT/.test(readFileSync(swarm, 'utf8')), hasPort);
      const deploys = /run: \.\/deploy\.sh$/m.test(
        readFileSync(path.join(project(), '.github/workflows/ci.yml'), 'utf8'),
      );
      assert.equal(/images, and a deployment\./.test(readme), deploys);
    });

    it('lists in the README what .env.template offers, and nothing else', () => {
      const [readme, template] = ['README.md', '.env.template'].map((file) =>
        readFileSync(path.join(project(), file), 'utf8'),
      ) as [string, string];
      const rows = [...readme.matchAll(/^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|/gm)].map(([, cell = '']) => cell);
      const listed = rows.flatMap((cell) => [...cell.matchAll(/[A-Z_]+/g)].map(([variable]) => variable));
      const offered = [...template.matchAll(/^([A-Z_]+)=/gm)].map(([, variable]) => variable);
      assert.deepEqual(listed.sort(), offered.sort());
    });

    it('has the files of its kinds and extras alone in ops/, and the entries of the program in two lines', () => {
      const there = (folder: string) => readdirSync(path.join(project(), 'ops', folder)).sort();
      const { database, interface: way } = combination;
      assert.deepEqual(there('operations/databases'), ['__init__.py', `${database}.py`]);
      assert.deepEqual(there('operations/interfaces'), ['__init__.py', `${way}.py`]);
      const common = ['agent_probe.py', 'agent_round_trip.py', 'interface_probe.py'];
      assert.deepEqual(there('inside'), [...common, ...(database === 'mongo' ? ['mongo'] : []), way].sort());
      const isPlain = extrasOf(combination) === 'none';
      for (const name of ['export', 'import', 'swarm']) {
        assert.equal(there('operations/commands').includes(`${name}.py`), !isPlain, name);
      }
      for (const entry of ['deploy.sh', 'ops/verify.sh']) {
        assert.match(readFileSync(path.join(project(), entry), 'utf8'), /^#!\/bin\/sh\n[^\n]+three-tier" \w+ "\$@"\n$/);
      }
      for (const program of ['deploy.sh', 'ops/verify.sh', 'ops/three-tier']) {
        assert.equal(statSync(path.join(project(), program)).mode & 0o777, 0o755, program);
      }
    });

    it('is accepted by docker stack without a warning, with the settings of the compose file and no secret', async function () {
      if (extrasOf(combination) === 'none') return assert.ok(!existsSync(path.join(project(), 'stack.yml')));
      const copy = copyOf(project());
      assert.equal((await check(this, 'env', ['ops/three-tier', 'env'], copy)).status, 0);
      const stack = readFileSync(path.join(copy, 'stack.yml'), 'utf8');
      const env = readFileSync(path.join(copy, '.env'), 'utf8');
      const settings = new Map([...env.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
      const given: string[] = [];
      const secrets: string[] = [];
      for (const [, variable = ''] of stack.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)) {
        const secret = variable.match(/^SECRET_(.*)/)?.[1];
        assert.ok(MADE.test(variable) || settings.has(secret ?? variable), variable);
        if (secret) secrets.push(secret);
        given.push(`${variable}=${MADE.test(variable) ? 'made' : settings.get(variable)}`);
      }
      const { status, output } = await check(
        this,
        'env',
        [...given, 'docker', 'stack', 'config', '-c', 'stack.yml'],
        copy,
      );
      assert.equal(status, 0, output);
      assert.match(output, /^version: /, 'there is no warning above it');
      assert.equal([...output.matchAll(/^ {8}failure_action: rollback$/gm)].length, 3);
      const passwords = [...settings.keys()].filter((name = '') => SECRET.test(name) && !OF_THE_HOST.test(name));
      assert.deepEqual(secrets.sort(), passwords.sort(), 'every secret is one of the swarm');
    });

    it('is accepted by docker compose without a warning', async function () {
      const copy = copyOf(project());
      const { status, output } = await check(this, 'env', ['ops/three-tier', 'env'], copy);
      assert.equal(status, 0, output);
      const config = await check(this, 'docker', ['compose', 'config', '--quiet'], copy);
      assert.deepEqual([config.status, config.output], [0, '']);
    });
  });
}

it('gives each kind of database a volume of its own, so that none starts on the files of another', () => {
  const volumes = Object.values(databases).map(({ volume }) => volume);
  assert.equal(new Set(volumes).size, volumes.length);
  for (const combination of combinations) {
    const project = projects.get(label(combination)) as string;
    const compose = readFileSync(path.join(project, 'docker-compose.yml'), 'utf8');
    const { volume } = databases[combination.database];
    assert.match(compose, new RegExp(`^ +name: .*_${path.basename(project)}_${volume}\\b`, 'm'));
  }
});

it('names the base images for which a release looks up a digest, and no others', () => {
  const images = [...projects.values()].flatMap((project) => {
    const files = ['docker-compose.yml', 'agent/Dockerfile', 'interface/Dockerfile'];
    const texts = files.map((file) => readFileSync(path.join(project, file), 'utf8')).join('\n');
    const named = [...texts.matchAll(/^(?:FROM| {4}image:) ([^\s@$]+)/gm)].map(([, image]) => image as string);
    return named.filter((image) => image.includes(':'));
  });
  const digests = JSON.parse(readFileSync(path.join(ROOT, 'generators/shared/digests.json'), 'utf8'));
  assert.deepEqual([...new Set(images)].sort(), Object.keys(digests));
});

it('no tool has left anything among the templates', () => {
  const litter = readdirSync(path.join(ROOT, 'generators'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    litter.filter((file) => /__pycache__|_cache(\/|$)|\.pyc$/.test(file)),
    [],
  );
});
