import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import type { Context } from 'mocha';
import { covering, distinctFiles } from '../support/combinations.ts';
import { execute } from '../support/execute.ts';
import { copyOf, readTree } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { check } from '../support/tools.ts';
import { OFF, type Off } from './off.ts';

/** What is made by scripts/checkers.ts. */
export const MADE = path.join(ROOT, '.checkers');

/** Projects' folders by label, all of them beside each other. */
type Projects = ReadonlyMap<string, string>;

/** Whatever a checker says as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes
type Said = any;

/** A run of a program: where, with which arguments. */
interface Run {
  readonly cwd: string;
  readonly args: readonly string[];
}

/** A program that looks for flaws. */
export interface Checker {
  readonly name: string;
  readonly program: string;
  /** Which files it is for, by their path in a project. */
  readonly files: RegExp;
  /** What to run so that all of these projects are looked at. */
  readonly runs: (projects: Projects, files: RegExp) => Run[] | Promise<Run[]>;
  /** What it found, a line each, from what it wrote to standard output, or to both. */
  readonly read: (stdout: string, output: string) => string[];
}

/** All of them, without the rules that are off. */
export function checkers(off: readonly Off[]): readonly Checker[] {
  return [
    {
      name: 'hadolint',
      program: 'hadolint',
      files: /(^|\/)Dockerfile$/,
      runs: onFiles((files) => ['--failure-threshold', 'style', '--format', 'json', ...files]),
      read: json((found) => found.map((each: Said) => `${each.file}:${each.line}: ${each.code}: ${each.message}`)),
    },
    {
      name: 'docker build --check',
      program: path.join(MADE, 'go/bin/buildcheck'),
      files: /(^|\/)Dockerfile$/,
      runs: onFiles((files) => files),
      read: lines(/./),
    },
    {
      name: 'checkov',
      program: path.join(MADE, 'checkov/bin/checkov'),
      files: /(^|\/)Dockerfile$|\.(ya?ml|sh|py|conf|js|template|toml)$/,
      runs: onFiles((files) => [
        ...['--skip-download', '--quiet', '--compact', '--output', 'json'],
        ...['--framework', 'dockerfile', 'secrets', 'github_actions', 'yaml'],
        ...files.flatMap((file) => ['--file', file]),
      ]),
      read: json((reports) =>
        [reports]
          .flat()
          .flatMap(({ results }: Said) =>
            (results?.failed_checks ?? []).map(
              (each: Said) => `${each.file_path}: ${each.check_id}: ${each.check_name}`,
            ),
          ),
      ),
    },
    {
      name: 'dclint',
      program: path.join(ROOT, 'node_modules/.bin/dclint'),
      files: /(^|\/)docker-compose\.yml$/,
      runs: onFiles((files) => [
        ...files,
        ...['--formatter', 'json'],
        ...off.flatMap(({ checker, rule }) => (checker === 'dclint' ? ['--disable-rule', rule] : [])),
      ]),
      read: json((files) =>
        files.flatMap(({ filePath, messages }: Said) =>
          messages.map((each: Said) => `${filePath}:${each.line}: ${each.rule}: ${each.message}`),
        ),
      ),
    },
    {
      name: 'compose-spec schema',
      program: 'check-jsonschema',
      files: /(^|\/)docker-compose\.yml$/,
      runs: onFiles((files) => ['--builtin-schema', 'vendor.compose-spec', '--output-format', 'json', ...files]),
      read: json(({ errors }) => errors.map((error: Said) => `${error.filename}: ${error.message}`)),
    },
    {
      name: 'docker compose config',
      program: 'docker',
      files: /^docker-compose\.yml$/,
      runs: async (projects) => Promise.all([...projects.values()].map(composeConfig)),
      read: (_, output) => output.split('\n').filter((line) => line !== ''),
    },
    {
      name: 'shellcheck',
      program: 'shellcheck',
      files: /\.sh$|^ops\/three-tier$/,
      runs: inProjects((files) => ['-o', 'all', '-S', 'style', '-x', '-f', 'json', ...files]),
      read: json((found) => found.map((each: Said) => `${each.file}:${each.line}: SC${each.code}: ${each.message}`)),
    },
    {
      name: 'shfmt',
      program: 'shfmt',
      files: /\.sh$|^ops\/three-tier$/,
      runs: onFiles((files) => ['-l', '-i', '2', '-ci', ...files]),
      read: lines(/./),
    },
    {
      name: 'ruff check',
      program: 'ruff',
      files: /\.py$/,
      runs: inProjects((files) => ['check', '--no-cache', '--output-format', 'concise', ...files]),
      read: lines(/^\S+:\d+:\d+: /),
    },
    {
      name: 'ruff format',
      program: 'ruff',
      files: /\.py$/,
      runs: inProjects((files) => ['format', '--no-cache', '--check', ...files]),
      read: lines(/^Would reformat: | --> /),
    },
    {
      name: 'mypy --strict',
      program: 'mypy',
      files: /^(agent|interface)\/.*\.py$/,
      runs: inTiers((folder) => ['--strict', '--cache-dir', mypyCache(folder), '.']),
      read: lines(/: error: /),
    },
    {
      name: 'bandit',
      program: path.join(MADE, 'linters/bin/bandit'),
      files: /^(?!.*\/tests\/).*\.py$/,
      // The rules that are off are off for the program in ops/ alone.
      runs: async (projects) => {
        const rules = off.flatMap(({ checker, rule }) => (checker === 'bandit' ? [rule] : []));
        const plain = ['--quiet', '--format', 'json'];
        const parts = [
          { part: /^(?!ops\/|.*\/tests\/).*\.py$/, args: plain },
          { part: /^ops\/.*\.py$/, args: rules.length > 0 ? [...plain, '--skip', rules.join()] : plain },
        ];
        const there = parts.filter(({ part }) =>
          [...projects.values()].some((project) => matching(project, part).length > 0),
        );
        const runs = there.map(({ part, args }) => onFiles((files) => [...args, ...files])(projects, part));
        return (await Promise.all(runs)).flat();
      },
      read: json(({ results }) =>
        results.map((each: Said) => `${each.filename}:${each.line_number}: ${each.test_id}: ${each.issue_text}`),
      ),
    },
    {
      name: 'sqlfluff',
      program: path.join(MADE, 'linters/bin/sqlfluff'),
      files: /\.sql$/,
      runs: onFiles((files) => ['lint', '--format', 'json', ...files]),
      read: json((files) =>
        files.flatMap(({ filepath, violations }: Said) =>
          violations.map((each: Said) => `${filepath}:${each.start_line_no}: ${each.code}: ${each.description}`),
        ),
      ),
    },
    {
      name: 'squawk',
      program: path.join(MADE, 'linters/bin/squawk'),
      files: /\.sql$/,
      runs: onFiles((files) => ['--reporter', 'json', ...files]),
      read: json((found) => found.map((each: Said) => `${each.file}:${each.line + 1}: ${each.rule_name}`)),
    },
    {
      name: 'actionlint',
      program: path.join(MADE, 'go/bin/actionlint'),
      files: /^\.github\/workflows\/.*\.yml$/,
      runs: onFiles((files) => ['-format', '{{json .}}', ...files]),
      read: json((found) => found.map((each: Said) => `${each.filepath}:${each.line}: ${each.message}`)),
    },
    {
      name: 'zizmor',
      program: path.join(MADE, 'linters/bin/zizmor'),
      files: /^\.github\/.*\.yml$/,
      runs: onFiles((files) => ['--quiet', '--offline', '--persona', 'auditor', '--format', 'json', ...files]),
      read: json((found) => found.map((each: Said) => `${each.ident}: ${each.desc}`)),
    },
    {
      name: 'detect-secrets',
      program: path.join(MADE, 'linters/bin/detect-secrets'),
      files: /^(?!\.three-tier\/)/,
      runs: onFiles((files) => ['scan', '--all-files', ...files]), // of paths that lead elsewhere it scans nothing
      read: json(({ results }) =>
        Object.entries<Said[]>(results).flatMap(([file, secrets]) =>
          secrets.map((each) => `${file}:${each.line_number}: ${each.type}`),
        ),
      ),
    },
    {
      name: 'gitleaks',
      program: 'gitleaks',
      files: /^(?!\.three-tier\/)/,
      runs: (projects) => [
        {
          cwd: parentOf(projects),
          args: ['detect', '--no-git', '--no-banner', '--log-level', 'error', '--verbose', '--source', '.'],
        },
      ],
      read: lines(/^Fingerprint: /),
    },
  ];
}

export const CHECKERS = checkers(OFF);

export function checkerOf(name: string): Checker {
  return CHECKERS.find((each) => each.name === name) as Checker;
}

/** What a checker finds in projects, a line each. */
export async function findings(test: Context, checker: Checker, projects: Projects): Promise<string[]> {
  const found: string[] = [];
  const runs = await checker.runs(projects, checker.files);
  assert.ok(runs.length > 0, `${checker.name} has nothing to look at`);
  for (const { cwd, args } of runs) {
    const { status, stdout, output } = await check(test, checker.program, args, cwd);
    const seen = checker.read(stdout, output);
    if (status !== 0 && seen.length === 0) throw new Error(`${checker.name} ended with status ${status}: ${output}`);
    found.push(...seen);
  }
  return found;
}

/** The files of a project whose paths match, with what is in them. */
export function matching(project: string, files: RegExp): string[] {
  return [...readTree(project)].filter(([file]) => files.test(file)).map((file) => file.join('\0'));
}

/** One run, beside the projects, for each distinct file of them. */
function onFiles(args: (files: readonly string[]) => readonly string[]): Checker['runs'] {
  return (projects, files) => {
    const cwd = parentOf(projects);
    return [{ cwd, args: args(distinctFiles(projects, files).map((file) => path.relative(cwd, file))) }];
  };
}

/** A run in each project, for those of its files that are in none of the others: what a file names is beside it. */
function inProjects(args: (files: readonly string[]) => readonly string[]): Checker['runs'] {
  return (projects, files) => {
    const distinct = distinctFiles(projects, files);
    return [...projects.values()]
      .map((cwd) => ({ cwd, own: distinct.filter((file) => file.startsWith(`${cwd}/`)) }))
      .filter(({ own }) => own.length > 0)
      .map(({ cwd, own }) => ({ cwd, args: args(own.map((file) => path.relative(cwd, file))) }));
  };
}

/** A run in as many folders of each tier as hold every distinct file. */
function inTiers(args: (folder: string) => readonly string[]): Checker['runs'] {
  return (projects) =>
    ['agent', 'interface']
      .flatMap((tier) => covering(projects, tier))
      .map((folder) => ({ cwd: folder, args: args(folder) }));
}

/** Has Compose read a copy of a project, with the settings that it makes, or offers. */
async function composeConfig(project: string): Promise<Run> {
  const cwd = copyOf(project);
  const [template, script] = ['.env.template', 'ops/three-tier'].map((file) => path.join(cwd, file)) as [
    string,
    string,
  ];
  if (existsSync(script)) {
    const { status, output } = await execute(cwd, script, ['env']);
    assert.equal(status, 0, output);
  } else if (existsSync(template)) {
    copyFileSync(template, path.join(cwd, '.env'));
  }
  return { cwd, args: ['compose', 'config', '--quiet'] };
}

function parentOf(projects: Projects): string {
  const [parent, ...others] = new Set([...projects.values()].map((project) => path.dirname(project)));
  assert.ok(parent && others.length === 0, 'the projects stand beside each other');
  return parent;
}

/** A cache for each project and tier, whose modules have the same names; npm test uses the same. */
function mypyCache(folder: string): string {
  return path.join(ROOT, 'node_modules/.cache/mypy', path.basename(path.dirname(folder)), path.basename(folder));
}

/** Reads findings from JSON; no output is no finding. */
function json(read: (said: Said) => string[]): Checker['read'] {
  return (stdout) => (stdout.trim() === '' ? [] : read(JSON.parse(stdout)));
}

/** Reads findings from the lines that match. */
function lines(pattern: RegExp): Checker['read'] {
  return (stdout) => stdout.split('\n').filter((line) => pattern.test(line));
}
