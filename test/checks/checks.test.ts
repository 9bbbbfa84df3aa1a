import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, cpSync } from 'node:fs';
import path from 'node:path';
import { combinations, generateAll } from '../support/combinations.ts';
import { copyOf, temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { CHECKERS, checkerOf, checkers, findings, matching } from './checkers.ts';
import { OFF } from './off.ts';

/** The template that the pattern is usually begun with, with its Dockerfiles in the shortest form. */
const BLUEPRINT = path.join(ROOT, 'test/checks/fixtures/blueprint');

/** A key like those of a cloud, which none has given out. */
const KEY = `AKIA${[...randomBytes(16)].map((byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('')}`;

/** A project with a fault for each checker, but for a secret, which is made when it is needed. */
const FAULTY = path.join(ROOT, 'test/checks/fixtures/faulty');

/** What each checker must say of it, part by part of what it looks at. */
const NOTICED: Record<string, readonly RegExp[]> = {
  hadolint: [/DL3042/],
  'docker build --check': [/SecretsUsedInArgOrEnv/, /JSONArgsRecommended/],
  checkov: [/CKV_DOCKER_3/, /CKV_SECRET_/, /CKV2_GHA_1/],
  dclint: [/no-unbound-port-interfaces/, /no-version-field/],
  'compose-spec schema': [/prots/],
  'docker compose config': [/NOTHING.* is not set/],
  shellcheck: [/SC2086/],
  shfmt: [/deploy\.sh/],
  'ruff check': [/F401/],
  'ruff format': [/main\.py/],
  'mypy --strict': [/no-untyped-def/],
  bandit: [/B301/],
  sqlfluff: [/CP01/],
  squawk: [/prefer-robust-stmts/],
  actionlint: [/potentially untrusted/],
  zizmor: [/template-injection/],
  'detect-secrets': [/main\.py:\d+: AWS Access Key/],
  gitleaks: [/main\.py:aws-access-token/],
};

/** One row a checker, printed at the end. */
const table: Record<string, { files: number; found: number; blueprint: number | string }> = {};

const projects = generateAll();

describe('every generated file', () => {
  for (const checker of CHECKERS) {
    it(`leaves nothing to find for ${checker.name}`, async function () {
      const found = await findings(this, checker, projects);
      const files = new Set([...projects.values()].flatMap((project) => matching(project, checker.files)));
      table[checker.name] = { files: files.size, found: found.length, blueprint: '' };
      assert.deepEqual(found, []);
    });
  }
});

describe('the template that the pattern is usually begun with', () => {
  for (const checker of checkers([])) {
    it(`is counted by ${checker.name}`, async function () {
      const row = table[checker.name] ?? { files: 0, found: 0, blueprint: '' };
      if (matching(BLUEPRINT, checker.files).length === 0) {
        table[checker.name] = { ...row, blueprint: 'no such file' };
        return;
      }
      const { length } = await findings(this, checker, new Map([['blueprint', copyOf(BLUEPRINT)]]));
      table[checker.name] = { ...row, blueprint: length };
    });
  }
});

describe('a project with faults', () => {
  for (const checker of CHECKERS) {
    it(`is noticed by ${checker.name}`, async function () {
      const project = copyOf(FAULTY);
      appendFileSync(path.join(project, 'agent/main.py'), `\nKEY = "${KEY}"\n`);
      const said = (await findings(this, checker, new Map([['faulty', project]]))).join('\n');
      for (const part of NOTICED[checker.name] as RegExp[]) assert.match(said, part);
    });
  }
});

describe('what this repository runs itself', () => {
  for (const name of ['actionlint', 'zizmor', 'checkov']) {
    it(`leaves nothing to find for ${name}`, async function () {
      const copy = path.join(temporaryFolder(), 'repository');
      cpSync(path.join(ROOT, '.github'), path.join(copy, '.github'), { recursive: true });
      assert.deepEqual(await findings(this, checkerOf(name), new Map([['repository', copy]])), []);
    });
  }
});

after(() => {
  console.log(`Findings in the distinct files of all ${combinations.length} combinations:`);
  console.table(table);
  console.log('Rules that are off:');
  for (const { checker, rule, reason } of OFF) console.log(`  ${checker} ${rule}: ${reason}`);
});
