import { UsageError } from './errors.ts';

const MAX_LENGTH = 40;
const VALID = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Words that mean something else to Docker, DNS, Python, Windows or this generator, where the name would stand. */
const RESERVED: ReadonlySet<string> = new Set(
  [
    'bridge default docker host ingress none',
    'internal invalid local localhost',
    'and as assert async await break class continue def del elif else except finally for from global if import in is',
    'lambda nonlocal not or pass raise return try while with yield true false null',
    'aux com0 com1 com2 com3 com4 com5 com6 com7 com8 com9 con lpt0 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9 nul prn',
    'app db agent interface update',
  ].flatMap((line) => line.split(' ')),
);

/**
 * Checks the name of an agent. It becomes a folder, a Compose project, the prefix of services, networks and
 * volumes, and a database, so it is held to what all of them accept.
 *
 * @throws UsageError that offers the nearest valid name.
 */
export function parseName(value: string): string {
  if (isValid(value)) return value;
  throw new UsageError(
    `name: ${JSON.stringify(value.slice(0, 80))} ${fault(value)}; try ${JSON.stringify(nearestName(value))}.`,
  );
}

function isValid(name: string): boolean {
  return name.length <= MAX_LENGTH && VALID.test(name) && !RESERVED.has(name);
}

function fault(name: string): string {
  if (RESERVED.has(name.toLowerCase())) return 'is a reserved word';
  if (name.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  return 'must be lower-case letters, digits and single hyphens, and begin with a letter';
}

/** A valid name that resembles `value` as far as it can. */
export function nearestName(value: string): string {
  const words = value
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, MAX_LENGTH)
    .replace(/-+$/, '');
  if (isValid(words)) return words;
  const longer = `${words.slice(0, MAX_LENGTH - '-agent'.length).replace(/-+$/, '')}-agent`;
  return isValid(longer) ? longer : 'my-agent';
}
