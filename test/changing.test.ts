import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readTree, temporaryFolder } from './support/folders.ts';
import { ROOT, run } from './support/generate.ts';

const PAGE = readFileSync(path.join(ROOT, 'docs/changing.md'), 'utf8');

/** The next block of the example after these words, line by line. */
function shown(words: string): string[] {
  const at = PAGE.indexOf(words, PAGE.indexOf('\n## An example'));
  assert.ok(at > 0, words);
  const [, block = ''] = PAGE.slice(at + words.length).match(/\n```\w*\n([\s\S]*?)\n```\n/) ?? [];
  return block.split('\n');
}

/** Asserts that the page shows what was printed, of which `...` stands for any lines. */
function assertShown(block: readonly string[], printed: readonly string[]): void {
  const text = printed.join('\n');
  let at = 0;
  for (const part of block.join('\n').split(/^ *\.\.\.\n/m)) {
    const found = text.indexOf(part, at);
    assert.ok(
      found >= 0 && (at > 0 || found === 0),
      `docs/changing.md shows\n${part}\nwhere this was printed:\n${text}`,
    );
    at = found + part.length;
  }
  assert.equal(text.slice(at), '', 'docs/changing.md does not show the end');
}

/** What the owner of the example has edited. */
const EDITS: readonly [file: string, before: string, after: string][] = [
  ['agent/logic.py', 'You are a helpful assistant.', 'You are the assistant of a bakery.'],
  [
    'agent/logic.py',
    'TOOLS = [add, now]',
    `@tool
def loaves_left(kind: str) -> int:
    """Tell how many loaves of a kind are left today."""
    return {"rye": 12, "wheat": 30}.get(kind, 0)


TOOLS = [add, now, loaves_left]`,
  ],
  ['docker-compose.yml', 'max-size: 10m', 'max-size: 50m'],
  ['docker-compose.yml', '-cshared_buffers=128MB', '-cshared_buffers=256MB'],
  ['.env.template', 'AGENT_MEMORY=512m', 'AGENT_MEMORY=1g'],
  ['README.md', 'An agent in three tiers', 'The assistant of our bakery, an agent in three tiers'],
  ['init-tables.sql', 'create index', 'create index messages_of_role on messages (role);\ncreate index'],
  ['interface/bot.py', 'Show your id and that of this chat.', 'Show who you are.'],
];

function edit(project: string, file: string, before: string | RegExp, after: string): void {
  const target = path.join(project, file);
  const contents = readFileSync(target, 'utf8');
  const edited = contents.replace(before, after);
  assert.notEqual(edited, contents, `${file}: ${before}`);
  writeFileSync(target, edited);
}

it('the example of docs/changing.md prints what the page shows, and leaves what it says', async () => {
  const cwd = temporaryFolder();
  await run(cwd, 'app', ['lyco', '--database', 'postgres', '--interface', 'telegram', '--yes']);
  const project = path.join(cwd, 'agents/lyco');
  for (const [file, before, after] of EDITS) edit(project, file, before, after);
  rmSync(path.join(project, 'ops/verify.sh'));

  const database = 'yo three-tier:db --database mongo\n```\n';
  const first = await run(project, 'db', ['--database', 'mongo'], { answers: { choice: 'merge' } });
  assertShown(shown(database).slice(1), first.lines); // at first, the question with its answer
  const compose = readFileSync(path.join(project, 'docker-compose.yml'), 'utf8');
  assertShown(shown('further up, is merged:\n'), compose.match(/^<{7} yours\n[\s\S]*^>{7} generated$/m) ?? []);

  edit(project, 'docker-compose.yml', /<{7} yours\n[\s\S]*?={7}\n([\s\S]*?)>{7} generated\n/, '$1');
  edit(project, 'docker-compose.yml', 'CacheSizeGB=0.25', 'CacheSizeGB=0.5');
  const second = await run(project, 'interface', ['--interface', 'web', '--yes']);
  assertShown(shown('yo three-tier:interface --interface web --yes\n```\n'), second.lines);
  assert.equal(second.exitCode, 0);
  const again = await run(project, 'interface', ['--interface', 'web', '--yes']);
  assert.deepEqual(again.lines, [' you deleted ops/verify.sh']);

  const other = temporaryFolder();
  await run(other, 'app', ['lyco', '--database', 'mongo', '--interface', 'web', '--yes']);
  const [mine, fresh] = [readTree(project), readTree(path.join(other, 'agents/lyco'))];
  const files = [...new Set([...mine.keys(), ...fresh.keys()])]
    .filter((file) => !file.startsWith('.three-tier/'))
    .sort();
  const differences = files.flatMap((file) => {
    const [ours, theirs] = [mine.get(file), fresh.get(file)];
    if (ours === undefined) return [`Only there: ${file}`];
    if (theirs === undefined) return [`Only here: ${file}`];
    return ours === theirs ? [] : [`--- ${file}`];
  });
  const named = shown('(`diff -r`, without `.three-tier/`):\n').filter((line) => /^(---|Only) /.test(line));
  assert.deepEqual(differences.sort(), named.sort());
});
