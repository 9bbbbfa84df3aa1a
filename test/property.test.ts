import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { logics } from '../generators/agent/logics/index.ts';
import { databases } from '../generators/db/databases/index.ts';
import { interfaces } from '../generators/interface/interfaces/index.ts';
import { BASELINE, readBaseline } from '../generators/shared/baseline.ts';
import { EDITS, type Edit, type EditKind, edit, isThere } from './support/edits.ts';
import { execute, VENV } from './support/execute.ts';
import { temporaryFolder } from './support/folders.ts';
import { type Command, type Outcome, run } from './support/generate.ts';
import { noteSkipped } from './support/skip.ts';
import { PYTHON } from './support/tools.ts';

/** How many sequences are tried; more find more. */
const SEQUENCES = Number(process.env.SEQUENCES ?? 25);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);

/** Ways to run a command: who decides about conflicts, and how. */
const WAYS = ['yes', 'yes', 'force', 'keep', 'take', 'merge', 'dry-run'] as const;

interface Run {
  readonly command: Command;
  readonly way: (typeof WAYS)[number];
  readonly database: string;
  readonly logic: string;
  readonly interface: string;
  readonly port: number;
}

interface Change {
  readonly kind: EditKind;
  /** A file, or which of those that are there, from 0 to 1. */
  readonly file: string | number;
  /** Where in it, from 0 to 1. */
  readonly at: number;
}

/** Files that most runs have something new for. */
const SHARED = [
  ...[
    'docker-compose.yml',
    '.env.template',
    'README.md',
    '.yo-rc.json',
    'ops/operations/project.py',
    'ops/operations/kinds.py',
  ],
  ...['agent/main.py', 'agent/logic.py', 'agent/requirements.txt', 'interface/Dockerfile', 'interface/main.py'],
];

const id = (registry: object) => fc.constantFrom(...Object.keys(registry));
/** From 0 to 1, evenly: a double would nearly always be next to 0. */
const part = fc.noBias(fc.nat({ max: 999 })).map((thousandths) => thousandths / 1000);

const kinds = { database: id(databases), logic: id(logics), interface: id(interfaces) };
const runs = (...commands: Command[]) =>
  fc.record({
    ...{ command: fc.constantFrom(...commands), way: fc.constantFrom(...WAYS), ...kinds },
    port: fc.constantFrom(8000, 9000),
  });
const anyRun = runs('app', 'db', 'agent', 'interface', 'update');
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...EDITS),
  file: fc.oneof(part, fc.constantFrom(...SHARED)),
  at: part,
});

/** A first run into an empty folder, then edits and runs, and a run at the end. */
const sequences = fc.tuple(
  runs('app', 'app', 'db', 'agent', 'interface').map((first): Run => ({ ...first, way: 'yes' })),
  fc.array(fc.oneof({ weight: 3, arbitrary: change }, { weight: 1, arbitrary: anyRun }), {
    minLength: 2,
    maxLength: 9,
  }),
  anyRun,
);

/** The words of a command line. */
function wordsOf({ command, way, database, logic, interface: kind, port }: Run): string[] {
  const flags = {
    app: ['--database', database, '--logic', logic, '--interface', kind, '--agent-port', String(port)],
    db: ['--database', database],
    agent: ['--logic', logic, '--agent-port', String(port)],
    interface: ['--interface', kind],
    update: [],
  }[command];
  const isAsked = ['keep', 'take', 'merge'].includes(way);
  return [...flags, ...(isAsked ? [] : ['--yes']), ...(['force', 'dry-run'].includes(way) ? [`--${way}`] : [])];
}

/** A project and what its owner did to it. */
class Owner {
  readonly project = path.join(temporaryFolder(), 'lyco');
  readonly done: string[] = [];
  #edits: Edit[] = [];
  #hadConflict = false;

  constructor() {
    mkdirSync(this.project);
  }

  edit({ kind, file, at }: Change): void {
    const files = this.#files().filter((name) => !/\.new\d*$/.test(name));
    const name = typeof file === 'string' ? file : (files[Math.floor(file * files.length)] as string);
    if (!files.includes(name)) return;
    const made = edit(this.project, name, kind, at, this.done.length);
    if (!made) return;
    this.#edits = [...this.#edits.filter((other) => other.file !== name || !/delete|link/.test(kind)), made];
    this.done.push(`${kind} ${name}`);
  }

  async run(step: Run): Promise<void> {
    const words = wordsOf(step);
    this.done.push(`three-tier:${step.command} ${words.join(' ')} (${step.way})`);
    const before = { tree: treeOf(this.project), generated: readBaseline(this.project)?.files };
    const outcome = await this.#type(step, words);
    const conflicts = outcome.lines.flatMap((line) => /^ +conflict (.*)$/.exec(line)?.[1] ?? []);
    if (step.way === 'dry-run') {
      assert.deepEqual(treeOf(this.project), before.tree, 'a dry run changes nothing');
      return;
    }
    assert.ok(outcome.exitCode === 0 || conflicts.length > 0, outcome.lines.join('\n'));
    this.#hadConflict ||= conflicts.length > 0;
    this.#checkEdits(step, conflicts, before.generated);
    this.#checkOffers(outcome, conflicts);
    await this.#checkValid();
    await this.#checkSettled(step, words);
  }

  #type(step: Run, words: string[]) {
    const isNew = readdirSync(this.project).length === 0;
    const all = isNew && step.command === 'app' ? ['lyco', '--output', '.', ...words] : words;
    const { database, logic, interface: kind, way } = step;
    const answers = { name: 'lyco', database, logic, interface: kind, choice: way };
    return run(this.project, step.command, all, words.includes('--yes') ? {} : { answers });
  }

  /**
   * Every edit is in its file, unless it was asked about, its file was generated anew after it had been away, or the
   * file is not needed any more: other line ends and permissions alone do not keep it.
   */
  #checkEdits({ way }: Run, conflicts: string[], generated: ReadonlyMap<string, string> | undefined): void {
    this.#edits = this.#edits.filter((made) => {
      if (isThere(this.project, made)) return true;
      const wasTaken = ['take', 'force'].includes(way) && conflicts.includes(made.file);
      const wasAway = made.kind === 'delete' && !generated?.has(made.file);
      const isGone =
        ['carriage returns', 'chmod'].includes(made.kind) && !existsSync(path.join(this.project, made.file));
      assert.ok(wasTaken || wasAway || isGone, `the edit "${made.kind}" of ${made.file} is lost`);
      return false;
    });
  }

  /** Of a conflict that stays open, the new version lies beside the file, and the exit code says so. */
  #checkOffers({ exitCode, lines }: Outcome, conflicts: string[]): void {
    const open = exitCode === 0 ? [] : conflicts.filter((file) => lines.join('\n').includes(`${file}.new`));
    assert.equal(open.length > 0, exitCode === 1, lines.join('\n'));
    for (const file of open) assert.ok(existsSync(path.join(this.project, `${file}.new`)), `${file}.new`);
  }

  async #checkValid(): Promise<void> {
    if (this.#hadConflict) return; // until somebody has decided, the files need not fit together
    await composeIsValid(this.project);
    await pythonIsValid(this.project);
  }

  /** The same command once more changes nothing, and has nothing to ask. */
  async #checkSettled(step: Run, words: string[]): Promise<void> {
    const before = treeOf(this.project);
    const { exitCode, asked, lines } = await this.#type(step, words);
    assert.equal(exitCode, 0, lines.join('\n'));
    assert.ok(!asked.includes('choice'), 'it asks again');
    assert.deepEqual(treeOf(this.project), before, 'the second time it changes something');
  }

  #files(): string[] {
    return [...treeOf(this.project).keys()].filter((file) => file !== BASELINE);
  }
}

type Tree = ReadonlyMap<string, string>;

/** All files and links by path, with what they hold and their permissions. */
function treeOf(project: string): Tree {
  const entries = readdirSync(project, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(
    entries.flatMap((file) => {
      const target = path.join(project, file);
      const stats = lstatSync(target);
      if (stats.isDirectory()) return [];
      const contents = stats.isSymbolicLink() ? readlinkSync(target) : readFileSync(target, 'latin1');
      return [[file, `${(stats.mode & 0o777).toString(8)} ${contents}`] as const];
    }),
  );
}

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
const hasRuff = existsSync(path.join(VENV, 'ruff'));
const hasSchema = existsSync(path.join(VENV, 'check-jsonschema'));
const valid = new Set<string>();

/** Runs a check once for each state of the files that it looks at. */
async function once(state: string, check: () => Promise<{ status: number | null; output: string }>): Promise<void> {
  if (valid.has(state)) return;
  const { status, output } = await check();
  assert.equal(status, 0, output);
  valid.add(state);
}

async function composeIsValid(project: string): Promise<void> {
  const [compose, template] = ['docker-compose.yml', '.env.template'].map((file) =>
    readFileSync(path.join(project, file), 'utf8'),
  ) as [string, string];
  if (!hasCompose && !hasSchema) return noteSkipped('docker-compose.yml after each command', 'install docker');
  await once(compose + template, () => {
    if (!hasCompose && hasSchema) {
      const schema = ['--builtin-schema', 'vendor.compose-spec'];
      return execute(project, 'check-jsonschema', [...schema, 'docker-compose.yml']);
    }
    const settings = path.join(temporaryFolder(), '.env');
    writeFileSync(settings, template.replace(/=$/gm, '=filled-in'));
    return execute(project, 'docker', ['compose', '--env-file', settings, 'config', '--quiet']);
  });
}

async function pythonIsValid(project: string): Promise<void> {
  const sources = [...treeOf(project)].filter(([file]) => /\.(py|toml)$/.test(file));
  if (sources.length === 0) return;
  if (!hasRuff) return noteSkipped('Python after each command', PYTHON);
  // Of an earlier choice, edited and so kept, while what it imports is gone.
  const left = [...(readBaseline(project)?.left.keys() ?? [])].flatMap((file) => ['--extend-exclude', file]);
  await once(sources.join('\n'), () => execute(project, 'ruff', ['check', '--no-cache', '--quiet', ...left, '.']));
}

describe('a project through any sequence of commands and edits', function () {
  this.timeout(SEQUENCES * 20_000);

  it(`keeps every edit, stays valid and settles: ${SEQUENCES} sequences`, async () => {
    console.log(`      SEQUENCES=${SEQUENCES} SEED=${SEED}`);
    const property = fc.asyncProperty(sequences, async ([first, steps, last]) => {
      const owner = new Owner();
      try {
        for (const step of [first, ...steps, last]) await ('command' in step ? owner.run(step) : owner.edit(step));
      } catch (error) {
        throw new Error(`${(error as Error).message}\nafter\n  ${owner.done.join('\n  ')}`, { cause: error });
      }
    });
    await fc.assert(property, { numRuns: SEQUENCES, seed: SEED, endOnFailure: Boolean(process.env.CI) });
  });
});
