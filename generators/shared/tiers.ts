/** The tiers, in the order in which they are started; each is a command of its own: `three-tier:<tier>`. */
export const TIERS = ['db', 'agent', 'interface'] as const;

export type TierId = (typeof TIERS)[number];

/** Which tiers a project has. */
export type Tiers = ReadonlySet<TierId>;

/** What people call a tier. */
export const TIER_LABELS: Readonly<Record<TierId, string>> = {
  db: 'the database',
  agent: 'the agent',
  interface: 'the interface',
};

export function isTier(value: unknown): value is TierId {
  return TIERS.includes(value as TierId);
}

export function inOrder(tiers: Tiers): TierId[] {
  return TIERS.filter((tier) => tiers.has(tier));
}

export function missingFrom(tiers: Tiers): TierId[] {
  return TIERS.filter((tier) => !tiers.has(tier));
}

/**
 * Whether a project that has `tiers` gets this file from the tier `owner`. A tier alone writes into its folder: the
 * agent's memory, which a database has a template for, comes with the agent. What stands in ops/ starts, checks or moves
 * all three tiers, and the pages in docs/ speak of them, so they come with the last.
 */
export function hasFile(file: string, owner: TierId, tiers: Tiers): boolean {
  const [folder] = file.split('/');
  if (isTier(folder)) return folder === owner;
  return !['ops', 'docs'].includes(folder ?? '') || missingFrom(tiers).length === 0;
}

/** What the tiers have in common, however many there are; everything else that is common needs all three. */
const COMMON: ReadonlySet<string> = new Set([
  ...['.env.template', '.gitattributes', '.gitignore', 'docker-compose.yml', 'pyproject.toml'],
  // of the program that operates a project, what the command `env` needs
  'ops/three-tier',
  ...['__init__', '__main__', 'cli', 'commands/__init__', 'commands/env', 'console', 'errors', 'files'].map(moduleOf),
  ...['programs', 'project', 'settings', 'workspace'].map(moduleOf),
]);

function moduleOf(name: string): string {
  return `ops/operations/${name}.py`;
}

/** Whether a project that has `tiers` has this file, which belongs to none of them alone. */
export function hasCommonFile(file: string, tiers: Tiers): boolean {
  const isWhole = missingFrom(tiers).length === 0;
  const hasPython = tiers.has('agent') || tiers.has('interface');
  return isWhole || (COMMON.has(file) && (hasPython || file !== 'pyproject.toml'));
}

/** The names of tiers as a phrase: "the agent and the interface". */
export function phrase(tiers: readonly TierId[]): string {
  return new Intl.ListFormat('en-GB').format(tiers.map((tier) => TIER_LABELS[tier]));
}
