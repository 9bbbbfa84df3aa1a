import assert from 'node:assert/strict';
import { parseName } from '../generators/shared/names.ts';

/** The name offered in place of `value`, or undefined where the value is taken as it is. */
function offered(value: string): string | undefined {
  try {
    assert.equal(parseName(value), value);
    return undefined;
  } catch (error) {
    const [line, ...more] = (error as Error).message.split('\n');
    assert.deepEqual(more, [], 'one line');
    return /try "([^"]*)"\.$/.exec(line ?? '')?.[1];
  }
}

describe('the name of an agent', () => {
  for (const name of ['lyco', 'a', 'my-agent', 'agent2', 'a-1-b', 'x'.repeat(40)]) {
    it(`may be ${JSON.stringify(name)}`, () => assert.equal(offered(name), undefined));
  }

  const hostile: Record<string, string> = {
    '': 'my-agent',
    ' ': 'my-agent',
    Lyco: 'lyco',
    'My Agent': 'my-agent',
    my_agent: 'my-agent',
    'my--agent': 'my-agent',
    '-lyco-': 'lyco',
    '9lives': 'lives',
    Ünïcödé: 'unicode',
    '../../etc/passwd': 'etc-passwd',
    '/etc': 'etc',
    '.': 'my-agent',
    '..': 'my-agent',
    'a/b': 'a-b',
    'a\\b': 'a-b',
    'a\0b': 'a-b',
    'a\nb': 'a-b',
    '<%= process.exit() %>': 'process-exit',
    '${HOME}': 'home',
    '$(id)': 'id',
    'lyco; rm -rf ~': 'lyco-rm-rf',
    '--help': 'help',
    con: 'con-agent',
    localhost: 'localhost-agent',
    class: 'class-agent',
    import: 'import-agent',
    agent: 'agent-agent',
    default: 'default-agent',
    null: 'null-agent',
    '🤖': 'my-agent',
    ['x'.repeat(41)]: 'x'.repeat(40),
    [`${'x'.repeat(39)}-y`]: 'x'.repeat(39),
  };
  for (const [name, nearest] of Object.entries(hostile)) {
    it(`may not be ${JSON.stringify(name)}, and ${nearest} is offered`, () => {
      assert.equal(offered(name), nearest);
      assert.equal(offered(nearest), undefined, 'what is offered is valid');
    });
  }
});
