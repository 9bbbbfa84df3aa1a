#!/usr/bin/env node
import { type ParseArgsConfig, parseArgs } from 'node:util';
import {
  COMMANDS,
  type CommandId,
  checkRequest,
  commands,
  helpText,
  type Request,
  SWITCHES,
  valueFlags,
} from '../generators/app/commands.ts';
import { Committer } from '../generators/app/commit.ts';
import { Planner } from '../generators/app/plan.ts';
import { renderProject } from '../generators/app/render.ts';
import { errorLine } from '../generators/app/report.ts';
import type { Terminal } from '../generators/app/terminal.ts';
import { UsageError } from '../generators/shared/errors.ts';
import { installedVersion } from '../generators/shared/package.ts';

const terminal: Terminal = {
  cwd: process.cwd(),
  log: (text) => console.error(text),
  // What asks is loaded where there is something to ask: it takes longer than a whole run without questions.
  async prompt(prompts) {
    const [{ default: input }, { default: select }] = await Promise.all([
      import('@inquirer/input'),
      import('@inquirer/select'),
    ]);
    const answers: Record<string, string> = {};
    for (const prompt of prompts) {
      answers[prompt.name] = prompt.type === 'input' ? await input(prompt) : await select(prompt);
    }
    return answers;
  },
};

/** The first word may name a command, as in `generator-three-tier db --database postgres`. */
function parse(typed: readonly string[]): Request {
  const command = COMMANDS.find((name) => name === typed[0]);
  const args = command ? typed.slice(1) : typed;
  const { values, positionals } = parseArgs({ args: [...args], options: optionsOf(command ?? 'app'), strict: false });
  const texts = Object.keys(valueFlags(command ?? 'app'));
  const flags = Object.entries(values).map(([flag, value]) => [
    flag,
    value === true && texts.includes(flag) ? '' : value,
  ]);
  return { command: command ?? 'app', words: positionals, flags: Object.fromEntries(flags) };
}

function optionsOf(command: CommandId): NonNullable<ParseArgsConfig['options']> {
  const texts = [...Object.keys(valueFlags(command)), commands[command].argument ?? []].flat();
  return {
    ...Object.fromEntries(texts.map((flag) => [flag, { type: 'string' }])),
    ...Object.fromEntries(Object.keys(SWITCHES).map((flag) => [flag, { type: 'boolean' }])),
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  };
}

async function run(request: Request): Promise<void> {
  checkRequest(request);
  const plan = await new Planner(request, terminal).plan();
  await new Committer(request, terminal, plan).commit(renderProject(plan));
}

try {
  const request = parse(process.argv.slice(2));
  if (request.flags.version) console.log(installedVersion());
  else if (request.flags.help) console.log(helpText(request.command));
  else await run(request);
} catch (error) {
  const { name, message } = error as Error;
  const wasInterrupted = name === 'ExitPromptError';
  if (wasInterrupted) console.error('Nothing was written.');
  else console.error(error instanceof UsageError ? errorLine(message) : message);
  process.exitCode = wasInterrupted ? 130 : 1;
}
