#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createEnv } from 'yeoman-environment';

const COMMANDS = ['app', 'db', 'agent', 'interface', 'update'];
const GENERATORS = path.join(import.meta.dirname, '../generators');

function version(): string {
  return JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8')).version;
}

async function run(words: string[]): Promise<void> {
  const env = createEnv();
  for (const command of COMMANDS) {
    const file = path.join(GENERATORS, command, `index${path.extname(import.meta.filename)}`);
    env.register(file, { namespace: `three-tier:${command}` });
  }
  // The first word may name a command, as in `generator-three-tier db --database postgres`.
  const [first = ''] = words;
  const [command, args] = COMMANDS.includes(first) ? [first, words.slice(1)] : ['app', words];
  const help = args.includes('--help') || args.includes('-h');
  await env.run([`three-tier:${command}`, ...(help ? [] : args)], { help });
}

try {
  const words = process.argv.slice(2);
  if (words[0] === '--version') console.log(version());
  else await run(words);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
