import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { parse } from 'yaml';
import { combinations, generate, generateAll, label } from '../support/combinations.ts';
import { execute, VENV } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { check } from '../support/tools.ts';
import { MADE } from './checkers.ts';

const WEAKNESS = {
  id: 'EXAMPLE-1',
  summary: 'an example',
  details: 'an example',
  modified: '2026-01-01T00:00:00Z',
  published: '2026-01-01T00:00:00Z',
};

interface Step {
  readonly name: string;
  readonly run?: string;
}

interface Job {
  readonly steps: readonly Step[];
  readonly strategy?: { readonly matrix: { readonly tier: readonly string[] } };
}

function jobs(project: string): Record<string, Job> {
  return parse(readFileSync(path.join(project, '.github/workflows/ci.yml'), 'utf8')).jobs;
}

describe('the workflow of a generated project', () => {
  let project: string;

  before(async function () {
    await check(this, path.join(MADE, 'linters/bin/pre-commit'), ['--version'], ROOT); // or all of this is skipped
    const choice = { database: 'postgres', logic: 'business', interface: 'api' } as const;
    project = await generate(temporaryFolder(), 'checked', choice);
    for (const args of [
      ['init', '--quiet'],
      ['add', '--all'],
    ]) {
      const { status, output } = await execute(project, 'git', args);
      assert.equal(status, 0, output);
    }
    const made = await execute(project, 'ops/three-tier', ['env']);
    assert.equal(made.status, 0, made.output);
  });

  /** Runs the commands of a job as GitHub does, with what actions install there taken from here. */
  function runs(name: string, folder: string): void {
    it(`passes ${name} in ${folder || 'the project'}`, async function () {
      const cwd = path.join(project, folder);
      const env = [
        `PATH=${VENV}:${path.join(MADE, 'linters/bin')}:${process.env.PATH}`,
        `PIPX_HOME=${path.join(MADE, 'pipx')}`,
        `PRE_COMMIT_HOME=${path.join(MADE, 'pre-commit')}`,
      ];
      const commands = (jobs(project)[name] as Job).steps.flatMap(({ run }) => run ?? []);
      assert.ok(commands.length > 0);
      for (const command of commands) {
        const { status, output } = await check(this, 'env', [...env, 'bash', '-e', '-c', command], cwd);
        assert.equal(status, 0, `${command}\n${output}`);
      }
    });
  }

  runs('lint', '');
  runs('python', 'agent');
  runs('python', 'interface');

  it('checks each tier, and then runs scripts that are there', () => {
    const { python, stack } = jobs(project);
    assert.deepEqual(python?.strategy?.matrix.tier, ['agent', 'interface']);
    const scripts = (stack as Job).steps.flatMap(({ run }) => run?.match(/^(?:ops\/|\.\/)\S+.*$/gm) ?? []);
    assert.deepEqual(scripts, ['ops/three-tier test', './deploy.sh']);
    for (const script of scripts) assert.ok(existsSync(path.join(project, script.split(' ')[0] as string)), script);
  });

  /** A stand-in for the data base that GitHub's machine asks, as not every registry of packages tells weaknesses. */
  for (const [what, weak] of Object.entries({ passes: 'nothing', fails: 'fastapi' })) {
    it(`${what} where ${weak} has a known weakness`, async function () {
      const server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
          const { name } = JSON.parse(Buffer.concat(chunks).toString()).package;
          const found =
            name === weak
              ? { vulns: [{ ...WEAKNESS, affected: [{ package: { name, ecosystem: 'PyPI' }, ranges: [] }] }] }
              : {};
          response.setHeader('Content-Type', 'application/json').end(JSON.stringify(found));
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const [command = ''] = (jobs(project).weaknesses as Job).steps.flatMap(({ run }) => run ?? []);
      const options = `--vulnerability-service osv --osv-url http://127.0.0.1:${port}/v1/query`;
      const script = command.replace(/pip-audit==\S+/, (program) => `${program} ${options}`);
      const env = [
        `PATH=${path.join(MADE, 'linters/bin')}:${process.env.PATH}`,
        `PIPX_HOME=${path.join(MADE, 'pipx')}`,
      ];
      const { status, output } = await check(this, 'env', [...env, 'bash', '-e', '-c', script], project);
      server.close();
      assert.equal(status, weak === 'nothing' ? 0 : 1, output);
      if (status) assert.match(output, /fastapi +\S+ +EXAMPLE-1/);
    });
  }

  it('notices a fault before a commit', async function () {
    const cwd = project;
    const env = [`PRE_COMMIT_HOME=${path.join(MADE, 'pre-commit')}`];
    await execute(cwd, 'bash', ['-c', 'printf "\\nimport os\\n" >>agent/logic.py']);
    const hook = path.join(MADE, 'linters/bin/pre-commit');
    const { status, output } = await check(this, 'env', [...env, hook, 'run', '--all-files'], cwd);
    assert.equal(status, 1, output);
    assert.match(output, /F401/);
  });
});

describe('the versions that generated projects are checked by', () => {
  const projects = generateAll();

  it('are those that they are checked by here', () => {
    const locks = ['python/requirements.txt', 'checkers/linters.txt'].map((lock) => path.join(ROOT, lock));
    const locked = locks.map((lock) => readFileSync(lock, 'utf8')).join('\n');
    for (const combination of combinations) {
      const folder = projects.get(label(combination)) as string;
      const files = ['.pre-commit-config.yaml', '.github/workflows/ci.yml'].map((file) => path.join(folder, file));
      const used = files.flatMap((file) => readFileSync(file, 'utf8').match(/[a-z-]+==[0-9.]+/g) ?? []);
      assert.ok(used.length > 5);
      for (const version of used) assert.ok(locked.includes(`\n${version} `), `${version} is not what is locked here`);
    }
  });
});
