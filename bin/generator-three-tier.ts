#!/usr/bin/env node
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { agentTier } from '../generators/agent/tier.ts';
import { appCommand } from '../generators/app/command.ts';
import { databaseTier } from '../generators/db/tier.ts';
import { interfaceTier } from '../generators/interface/tier.ts';
import {
  COMMANDS,
  type Command,
  type CommandId,
  checkFlags,
  checkWords,
  givenAnswers,
  helpText,
  type Request,
  SWITCHES,
  tierCommand,
  toRequest,
  valueFlags,
} from '../generators/shared/command.ts';
import { Committer } from '../generators/shared/commit.ts';
import { readText } from '../generators/shared/disk.ts';
import { UsageError } from '../generators/shared/errors.ts';
import type { Host } from '../generators/shared/host.ts';
import { locate } from '../generators/shared/locate.ts';
import { installedVersion } from '../generators/shared/package.ts';
import { Project } from '../generators/shared/project.ts';
import { renderProject } from '../generators/shared/render.ts';
import { endOf } from '../generators/shared/report.ts';
import type { Tier } from '../generators/shared/tier.ts';
import { inOrder, TIERS, type TierId } from '../generators/shared/tiers.ts';
import { updateCommand } from '../generators/update/command.ts';

const tiers: Readonly<Record<TierId, Tier>> = { db: databaseTier, agent: agentTier, interface: interfaceTier };

const commands: Readonly<Record<CommandId, Command>> = {
  app: appCommand,
  db: tierCommand(databaseTier),
  agent: tierCommand(agentTier),
  interface: tierCommand(interfaceTier),
  update: updateCommand,
};

const host: Host = {
  folder: process.cwd(),
  cwd: process.cwd(),
  canAsk: Boolean(process.stdin.isTTY && process.stdout.isTTY),
  log: (text) => console.error(text),
  print: (text) => console.log(text),
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
  read: readText,
};

function optionsOf(command: Command): NonNullable<ParseArgsConfig['options']> {
  const texts = [...Object.keys(valueFlags(command)), command.argument ?? []].flat();
  return {
    ...Object.fromEntries(texts.map((flag) => [flag, { type: 'string' }])),
    ...Object.fromEntries(Object.keys(SWITCHES).map((flag) => [flag, { type: 'boolean' }])),
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  };
}

/** Does what `yo three-tier` does, step by step, without Yeoman, which takes most of the time of a run. */
async function run(command: Command, request: Request): Promise<void> {
  const { id } = command;
  const { switches } = request;
  const { place, answers } = await locate(id, host, request, givenAnswers(command, request));
  const project = new Project(host, place, switches['dry-run']);
  project.give(answers);
  const own = TIERS.filter((tier) => id === 'app' || id === tier);
  const wanted = inOrder(new Set([...own, ...(project.stored?.tiers ?? [])])).map((tier) => tiers[tier]);
  for (const tier of wanted) project.add(tier);
  if (id !== 'update') {
    await project.askName(switches);
    for (const tier of wanted) await project.ask(tier, switches, id === tier.id);
  }
  const plan = project.plan();
  const manner = { ...switches, isUpdate: id === 'update', bail: false };
  const left = await new Committer(host, plan, manner).commit(renderProject(plan, host.read));
  if (left) throw left;
}

/** @throws UsageError where the name of a command stands after something else. */
function checkOrder([word]: readonly string[]): void {
  if (!COMMANDS.some((name) => name === word)) return;
  throw new UsageError(`${JSON.stringify(word)}: a command comes first, as in "generator-three-tier ${word} --yes".`);
}

/** The first word may name a command, as in `generator-three-tier db --database postgres`. */
async function main([first, ...others]: readonly string[]): Promise<void> {
  const named = COMMANDS.find((name) => name === first);
  const command = commands[named ?? 'app'];
  const args = named || first === undefined ? others : [first, ...others];
  const { values, positionals } = parseArgs({ args, options: optionsOf(command), strict: false, allowNegative: true });
  const { help, version, ...flags } = values;
  if (version) return console.log(installedVersion());
  if (help) return console.log(helpText(command));
  checkFlags(command, Object.keys(flags));
  if (!named) checkOrder(positionals);
  checkWords(command, positionals);
  await run(command, toRequest(command, positionals, flags));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const end = endOf(error) ?? { said: (error as Error).message, code: 1 };
  console.error(end.said);
  process.exitCode = end.code;
}
