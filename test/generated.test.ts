import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { LogicId } from '../generators/agent/logics/index.ts';
import type { DatabaseId } from '../generators/db/databases/index.ts';
import type { InterfaceId } from '../generators/interface/interfaces/index.ts';
import { combinations, distinct, distinctFiles, generateAll, label } from './support/combinations.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { ROOT } from './support/generate.ts';
import { check } from './support/tools.ts';

/** What gives a kind away in a project that did not choose it. */
const TRACES: Record<DatabaseId | LogicId | InterfaceId, RegExp> = {
  postgres: /postgres|asyncpg|psql|pg_/i,
  langgraph: /lang(graph|chain)|openai_api_key|llm_/i,
  api: /api_keys|rate_limit|chat\/completions/i,
  web: /web_password|session_secret|root_path|itsdangerous/i,
};

/** Locks name packages of packages, in which a kind that was not chosen may well occur. */
const LOCK = /requirements(-dev)?\.txt$/;

/** Files that are not written by hand: the baseline, and libraries as they were published. */
const FOREIGN = /^\.three-tier\/|\/vendor\//;

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

    it('reads as if written by hand', () => {
      for (const [file, contents] of readTree(project())) {
        if (FOREIGN.test(file)) continue;
        if (contents === '') continue;
        assert.match(contents, /[^\n]\n$/, `${file} ends with one newline`);
        assert.doesNotMatch(contents, /[ \t]\n/, `${file} has blanks at the end of a line`);
        assert.doesNotMatch(contents, /\r/, `${file} has a carriage return`);
        if (!file.endsWith('.py')) assert.doesNotMatch(contents, /\n\n\n/, `${file} has two blank lines in a row`);
      }
    });

    it('names in the compose file the variables of .env.template, and in that those of the compose file', () => {
      const compose = readFileSync(path.join(project(), 'docker-compose.yml'), 'utf8');
      const template = readFileSync(path.join(project(), '.env.template'), 'utf8');
      const used = new Set([...compose.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, variable]) => variable));
      const offered = new Set([...template.matchAll(/^([A-Z_]+)=/gm)].map(([, variable]) => variable));
      used.delete('COMPOSE_PROJECT_NAME'); // Compose sets it
      assert.deepEqual([...used].sort(), [...offered].sort());
    });

    it('is accepted by docker compose without a warning', function () {
      const copy = copyOf(project());
      const { status, output } = check(this, 'bash', ['ops/env.sh'], copy);
      assert.equal(status, 0, output);
      assert.deepEqual(check(this, 'docker', ['compose', 'config', '--quiet'], copy), { status: 0, output: '' });
    });
  });
}

/** A copy in which scripts may write. */
function copyOf(project: string): string {
  const copy = path.join(temporaryFolder(), path.basename(project));
  mkdirSync(copy);
  cpSync(project, copy, { recursive: true });
  return copy;
}

describe('every generated file', () => {
  const clean: [string, RegExp, string, string[]][] = [
    [
      'the compose-spec schema',
      /^docker-compose\.yml$/,
      'check-jsonschema',
      ['--builtin-schema', 'vendor.compose-spec'],
    ],
    ['hadolint', /Dockerfile$/, 'hadolint', ['--failure-threshold', 'style']],
    ['shfmt', /\.sh$/, 'shfmt', ['-d', '-i', '2', '-ci']],
  ];
  for (const [what, pattern, tool, args] of clean) {
    it(`satisfies ${what}`, function () {
      const { status, output } = check(this, tool, [...args, ...distinctFiles(projects, pattern)], ROOT);
      assert.equal(status, 0, output);
    });
  }

  it('satisfies shellcheck', function () {
    for (const ops of distinct(projects, 'ops')) {
      const project = path.dirname(ops);
      const scripts = [...readTree(project).keys()].filter((file) => file.endsWith('.sh'));
      const { status, output } = check(this, 'shellcheck', ['-o', 'all', '-S', 'style', '-x', ...scripts], project);
      assert.equal(status, 0, output);
    }
  });

  it('holds no secret that gitleaks knows', function () {
    const cwd = path.dirname([...projects.values()][0] as string);
    const { status, output } = check(this, 'gitleaks', ['detect', '--no-git', '--no-banner', '--source', cwd], cwd);
    assert.equal(status, 0, output);
  });
});

it('no tool has left anything among the templates', () => {
  const litter = readdirSync(path.join(ROOT, 'generators'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    litter.filter((file) => /__pycache__|_cache(\/|$)|\.pyc$/.test(file)),
    [],
  );
});
