/**
 * Makes test/fixtures/: projects as earlier commits of this repository wrote them, each by that commit's own code, for
 * the tests of the update. A fixture that is there is left as it is.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync, constants, gunzipSync } from 'node:zlib';

const ROOT = path.join(import.meta.dirname, '..');

/** Commits whose projects differ in shape, and what was chosen there: database, logic, interface. */
const FIXTURES = [
  { commit: 'bf7fefe', choice: ['postgres', 'langgraph', 'api'] },
  { commit: '391eea9', choice: ['redis', 'business', 'telegram'] },
  { commit: 'e864ae8', choice: ['mongo', 'langgraph', 'web'] },
];

/** Its files by path, with their modes; the baseline is unpacked, since it repeats them. */
function pack(project: string): Buffer {
  const files = readdirSync(project, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(path.join(project, file)).isFile())
    .sort()
    .map((file) => {
      const bytes = readFileSync(path.join(project, file));
      const contents = file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
      return [file, { mode: statSync(path.join(project, file)).mode & 0o777, contents: contents.toString() }] as const;
    });
  const { BROTLI_PARAM_LGWIN, BROTLI_MAX_WINDOW_BITS } = constants;
  return brotliCompressSync(JSON.stringify(Object.fromEntries(files)), {
    params: { [BROTLI_PARAM_LGWIN]: BROTLI_MAX_WINDOW_BITS }, // it sees all the files at once
  });
}

function make(commit: string, [database = '', logic = '', way = '']: readonly string[], target: string): void {
  const work = mkdtempSync(path.join(tmpdir(), 'three-tier-fixture-'));
  const source = path.join(work, 'source');
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  git('worktree', 'add', '--detach', source, commit);
  try {
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(source, 'node_modules'));
    execFileSync(path.join(ROOT, 'node_modules/.bin/tsx'), ['scripts/build.ts'], { cwd: source, stdio: 'inherit' });
    const bin = path.join(source, 'dist/bin/generator-three-tier.js');
    const flags = ['--database', database, '--logic', logic, '--interface', way];
    execFileSync(process.execPath, [bin, 'lyco', '--yes', ...flags], { cwd: work, stdio: 'inherit' });
    writeFileSync(target, pack(path.join(work, 'agents/lyco')));
  } finally {
    git('worktree', 'remove', '--force', source);
    rmSync(work, { recursive: true });
  }
}

for (const { commit, choice } of FIXTURES) {
  const target = path.join(ROOT, `test/fixtures/${commit}-${choice.join('-')}.json.br`);
  if (!existsSync(target)) make(commit, choice, target);
}
