/** A rule of a checker that is off, and why. */
export interface Off {
  readonly checker: string;
  readonly rule: string;
  readonly reason: string;
}

/**
 * The rules of the checkers here that generated projects do not keep: all of them, as nothing is suppressed in a file.
 * Ruff's choice of rules stands in the project's own pyproject.toml, with its reasons.
 */
export const OFF: readonly Off[] = [
  {
    checker: 'dclint',
    rule: 'services-alphabetical-order',
    reason: 'the tiers stand in the order in which they start, database first',
  },
  {
    checker: 'dclint',
    rule: 'service-keys-order',
    reason: 'a service reads as what it is, what it may use, what it knows, what it opens, how it is checked',
  },
  {
    checker: 'dclint',
    rule: 'top-level-properties-order',
    reason: 'the name of the project comes first, then what its services share',
  },
  ...['B404', 'B603', 'B606'].map((rule) => ({
    checker: 'bandit',
    rule,
    reason: 'the program in ops/ runs other programs: by their names, without a shell',
  })),
  {
    checker: 'bandit',
    rule: 'B108',
    reason: 'the program in ops/ names folders of containers, which nobody else sees',
  },
];
