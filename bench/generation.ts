/**
 * What it costs to write a project, beside other generators:
 *
 *     npm run bench:generation                   15 rounds
 *     npm run bench:generation -- --rounds 30    more
 *
 * Ours is packed and installed as users get it; the peers come from bench/peers/. Cookiecutter and Copier write the very
 * same files from a local template, which is checked; generator-code and create-vite write smaller projects of their own.
 * The contenders take turns. Prints a table in Markdown.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readOptions } from './options.ts';
import { circumstances, median, spread, table } from './tables.ts';

const ROOT = path.join(import.meta.dirname, '..');
const PEERS = path.join(import.meta.dirname, 'peers');
const { rounds: ROUNDS } = readOptions({ rounds: 15, sizes: [], names: [] });
const NAME = 'lyco';

interface Contender {
  readonly label: string;
  /** Its program, in the home of all, and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  /** The folder that it writes, in the one where it is run. */
  readonly writes: string;
  /** Whether what it writes must be what our own command writes. */
  readonly isSame?: boolean;
}

/** Seconds that a run took. */
interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

const FLAGS = ['--extensionType', 'ts', '--extensionDisplayName', NAME, '--pkgManager', 'npm', '--gitInit', 'false'];

const OURS: Contender = {
  label: '`generator-three-tier`',
  command: ['node_modules/.bin/generator-three-tier', NAME, '--yes'],
  writes: `agents/${NAME}`,
  isSame: true,
};

/** The first is what the others are compared with. */
const CONTENDERS: readonly Contender[] = [
  {
    label: 'cookiecutter',
    command: ['venv/bin/cookiecutter', 'cookiecutter', '--no-input'],
    writes: NAME,
    isSame: true,
  },
  {
    label: 'copier',
    command: ['venv/bin/copier', 'copy', '--defaults', '--quiet', 'copier', NAME],
    writes: NAME,
    isSame: true,
  },
  OURS,
  {
    label: '`yo three-tier`',
    command: ['node_modules/.bin/yo', 'three-tier', NAME, '--yes'],
    writes: `agents/${NAME}`,
    isSame: true,
  },
  {
    label: '`yo code` (generator-code)',
    command: ['node_modules/.bin/yo', 'code', NAME, '--quick', '--skipOpen', '--skip-install', ...FLAGS],
    writes: NAME,
  },
  { label: 'create-vite', command: ['node_modules/.bin/create-vite', NAME, '--template', 'vanilla-ts'], writes: NAME },
  { label: 'Node.js writing the files', command: ['write.mjs'], writes: NAME, isSame: true },
];

/** `yo` refuses to be root. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

function files(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))).sort();
}

function install(home: string): void {
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: home, stdio: 'ignore' });
  execFileSync('npm', ['pack', '--pack-destination', home], { cwd: ROOT, stdio: 'ignore' });
  const packed = readdirSync(home).filter((file) => file.endsWith('.tgz'));
  cpSync(PEERS, home, { recursive: true });
  run('npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...packed.map((file) => `./${file}`));
  run(process.env.PYTHON ?? 'python3', '-m', 'venv', 'venv');
  run('venv/bin/pip', 'install', '--quiet', '--requirement', 'requirements.txt');
}

/** Makes of a project what writes it again: a template of each peer, and a program. */
function makeTemplates(home: string, project: string): void {
  const contents = files(project).map((file) => [file, readFileSync(path.join(project, file))] as const);
  const templates = [
    { root: `cookiecutter/{{ cookiecutter.name }}`, variable: 'cookiecutter.name' },
    { root: 'copier/project', variable: 'name' },
  ];
  for (const { root, variable } of templates) {
    cpSync(project, path.join(home, root), { recursive: true });
    for (const [file, bytes] of contents) {
      if (!bytes.includes(0)) writeFileSync(path.join(home, root, file), asTemplate(bytes.toString(), variable));
    }
  }
  writeFileSync(path.join(home, 'cookiecutter/cookiecutter.json'), JSON.stringify({ name: NAME }));
  writeFileSync(
    path.join(home, 'copier/copier.yml'),
    `_subdirectory: project\n_templates_suffix: ""\nname:\n  type: str\n  default: ${NAME}\n`,
  );
  writeFileSync(path.join(home, 'write.mjs'), program(contents, project));
}

function asTemplate(text: string, variable: string): string {
  return text.replace(/\{[{%#]/g, (opening) => `{{ '${opening}' }}`).replaceAll(NAME, `{{ ${variable} }}`);
}

function program(contents: readonly (readonly [string, Buffer])[], project: string): string {
  const encoded = contents.map(([file, bytes]) => {
    const { mode } = statSync(path.join(project, file));
    return [`${NAME}/${file}`, bytes.toString('base64'), mode & 0o777];
  });
  return `import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
for (const [file, bytes, mode] of ${JSON.stringify(encoded)}) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, Buffer.from(bytes, 'base64'), { mode });
}
`;
}

/** Runs a contender in a new folder below `home`; the folder and what it took. */
function run(home: string, { label, command: [program, ...args] }: Contender): { folder: string; cost: Cost } {
  const folder = mkdtempSync(path.join(home, 'run-'));
  const isYo = program.endsWith('/yo');
  if (isYo && NOBODY.uid) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const inHome = (word: string) => (existsSync(path.join(home, word)) ? path.join(home, word) : word);
  const words = [program, ...args].map(inHome);
  const command = program.endsWith('.mjs') ? [process.execPath, ...words] : words;
  const script = 'TIMEFORMAT="%U %S %R"; time "$@" >/dev/null 2>"$0"';
  const errors = path.join(folder, 'errors');
  const { status, stderr } = spawnSync('bash', ['-c', script, errors, ...command], {
    ...(isYo ? NOBODY : {}),
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: path.join(home, 'user'), NO_UPDATE_NOTIFIER: '1' },
    timeout: 120_000,
  });
  const [user, system, wall] = stderr.trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
  if (status !== 0) throw new Error(`${label}: ${stderr}${readFileSync(errors, 'utf8')}`);
  return { folder, cost: { cpu: Number(user) + Number(system), wall: Number(wall) } };
}

/** @throws Error where the contender did not write what it should have. */
function check(project: string, { label, isSame }: Contender, expected: string): void {
  const written = files(project);
  const isEqual = (file: string) =>
    readFileSync(path.join(project, file)).equals(readFileSync(path.join(expected, file)));
  const isGood = isSame ? `${written}` === `${files(expected)}` && written.every(isEqual) : written.length > 0;
  if (!isGood) throw new Error(`${label} did not write what it should have, in ${project}`);
}

function measure(home: string): Map<Contender, { costs: Cost[]; count: number }> {
  const expected = path.join(run(home, OURS).folder, OURS.writes);
  makeTemplates(home, expected);
  const measured = new Map(CONTENDERS.map((contender) => [contender, { costs: [] as Cost[], count: 0 }]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [contender, results] of measured) {
      const { folder, cost } = run(home, contender);
      check(path.join(folder, contender.writes), contender, expected);
      results.costs.push(cost);
      results.count = files(path.join(folder, contender.writes)).length;
      rmSync(folder, { recursive: true });
    }
  }
  return measured;
}

const home = mkdtempSync(path.join(tmpdir(), 'bench-generation-'));
try {
  chmodSync(home, 0o755);
  mkdirSync(path.join(home, 'user'));
  chmodSync(path.join(home, 'user'), 0o777);
  install(home);
  const measured = [...measure(home)];
  const base = median(measured[0]?.[1].costs.map(({ cpu }) => cpu) ?? []);
  const rows = measured.map(([{ label }, { costs, count }]) => {
    const [cpu, wall] = [costs.map((cost) => cost.cpu), costs.map((cost) => cost.wall)];
    const times = [median(cpu).toFixed(2), spread(cpu, 2), median(wall).toFixed(2), spread(wall, 2)];
    return [label, `**${(median(cpu) / base).toFixed(2)}**`, ...times, String(count)];
  });
  const heads = ['', 'CPU / cookiecutter', 'CPU s', 'from–to', 'wall s', 'from–to', 'files'];
  const { dependencies } = JSON.parse(readFileSync(path.join(PEERS, 'package.json'), 'utf8'));
  const python = readFileSync(path.join(PEERS, 'requirements.txt'), 'utf8').match(/^\w+==.*$/gm) ?? [];
  const versions = [
    ...Object.entries(dependencies).map((pair) => pair.join(' ')),
    ...python.map((pin) => pin.replace('==', ' ')),
  ];
  console.log(
    `${circumstances(`Node.js ${process.versions.node}`, versions.join(', '), `${ROUNDS} rounds`)}\n\n${table(heads, rows)}`,
  );
} finally {
  rmSync(home, { recursive: true, force: true });
}
