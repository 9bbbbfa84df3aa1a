import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  readonly sizes: readonly number[];
  /** Those that were named, or all. */
  readonly names: readonly string[];
  /** What else is measured, by those benchmarks that have others beside ours. */
  readonly beside?: readonly string[];
}

/** Reads `--rounds 3 --sizes 10,100 --beside ONE --beside ANOTHER NAME ...`; what is left out is as in `defaults`. */
export function readOptions(defaults: Options): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, sizes: { type: 'string' }, beside: { type: 'string', multiple: true } },
  });
  const unknown = positionals.filter((name) => !defaults.names.includes(name));
  if (unknown.length) throw new Error(`There is no ${unknown.join(' and no ')}, only ${defaults.names.join(', ')}.`);
  if (values.beside && !defaults.beside) throw new Error('Nothing else can be measured beside this.');
  const numbers = (text: string) => text.split(',').map(Number);
  const rounds = values.rounds ? Number(values.rounds) : defaults.rounds;
  const sizes = values.sizes ? numbers(values.sizes) : defaults.sizes;
  if ([rounds, ...sizes].some((number) => !(Number.isInteger(number) && number > 0))) {
    throw new Error('Rounds and sizes are positive whole numbers.');
  }
  return { rounds, sizes, names: positionals.length ? positionals : defaults.names, beside: values.beside ?? [] };
}
