import { homedir } from 'node:os';
import path from 'node:path';
import { isPending } from './apply.ts';
import type { CommandId, Request } from './command.ts';
import { UsageError } from './errors.ts';
import type { Host } from './host.ts';
import { type Advice, isProject, outerProject, storedAnswers } from './location.ts';
import { openStored, type Place } from './project.ts';
import { ask, missingAnswer } from './prompts.ts';
import { type Answers, nameQuestion } from './questions.ts';

const ADVICE: Advice = {
  inside: 'run the command outside of it, or use --output',
  taken: 'choose another name or use --output',
  renamed: 'choose another --output',
};

const TIER_ADVICE: Advice = {
  inside: 'run the command there',
  taken: 'run the command in an empty folder',
  renamed: 'leave the flag out',
};

/**
 * The place of the project that a command means: that of a tier or an update is its folder.
 *
 * @param given - The answers that were given; the name is added where a person has to be asked for it.
 * @throws UsageError where there is none, it cannot be used, or the name is missing.
 */
export async function locate(
  command: CommandId,
  host: Host,
  request: Request,
  given: Partial<Answers>,
): Promise<{ place: Place; answers: Partial<Answers> }> {
  if (command === 'app') return locateWhole(host, request, given);
  const { folder } = host;
  if (command === 'update' && !openStored(host, folder, request.switches['dry-run'])) throw noProject(host);
  return { place: tierPlace(host), answers: given };
}

/** Where a tier that is run alone belongs. */
export function tierPlace({ folder }: Host): Place {
  return { root: folder, advice: TIER_ADVICE };
}

/** The project in `--output`, or the one that stands here, or else one in `agents/`. */
async function locateWhole(host: Host, { values, switches }: Request, given: Partial<Answers>) {
  const { folder, read } = host;
  const { output } = values;
  const found = (root: string, answers = given) => ({ place: { root, advice: ADVICE }, answers });
  if (output !== undefined) return found(path.resolve(folder, parseOutput(output)));
  const isHere = isPending(folder) || isProject(folder, read);
  const here = isHere ? openStored(host, folder, switches['dry-run']) : undefined;
  const stored = here && storedAnswers(folder, here, [nameQuestion]).name;
  if (here && (given.name ?? stored) === stored) return found(folder);
  if (given.name === undefined && switches.yes) throw missingAnswer(nameQuestion);
  const answers = given.name === undefined ? { ...given, ...(await ask(host, [nameQuestion])) } : given;
  const name = answers.name as string;
  const root = path.resolve(folder, 'agents', name);
  const isAmongAgents = path.basename(folder) === 'agents' && !isProject(root, read);
  return found(isAmongAgents ? path.resolve(folder, name) : root, answers);
}

/** The folder that `--output` names; a shell leaves the `~` in `--output=~/x` as it is. */
function parseOutput(value: string): string {
  if (value === '') throw new UsageError('--output: "" is no folder; give one, or leave the flag out.');
  if (value === '~' || value.startsWith('~/')) return path.join(homedir(), value.slice(1));
  if (!value.startsWith('~')) return value;
  throw new UsageError(`--output: ${JSON.stringify(value)} begins with ~; write the whole path, or ./ before it.`);
}

function noProject({ folder, read }: Host): UsageError {
  const outer = outerProject(folder, read);
  if (outer) return new UsageError(`The project is in ${outer}: run the command there.`);
  return new UsageError('There is no project here: go to its folder, or make one with "yo three-tier <name>".');
}
