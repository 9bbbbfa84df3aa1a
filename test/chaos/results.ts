import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../support/generate.ts';
import type { Tally } from '../support/traffic.ts';

/** One round of a fault. */
export interface Result extends Tally {
  /** What was hit: the database of the project, or its interface. */
  readonly project: string;
  readonly fault: string;
  /** Seconds from the end of the fault until all threads were answered. */
  readonly recovery: number;
}

const COLUMNS = ['project', 'fault', 'rounds', 'sent', 'acknowledged', 'lost', 'doubled', 'recovery p50', 'max (s)'];
const BEGIN = '<!-- table of npm run reliability -->';
const END = '<!-- end of the table -->';

/** What the rounds came to: a row for each project and fault. */
class Results {
  readonly #groups = new Map<string, Result[]>();

  add(result: Result): void {
    const group = `${result.project} ${result.fault}`;
    this.#groups.set(group, [...(this.#groups.get(group) ?? []), result]);
  }

  /** Prints the rows, and writes them into the page that CHAOS_REPORT names. */
  report(page = process.env.CHAOS_REPORT): void {
    const rows = [...this.#groups.values()].map(summary);
    console.table(rows.map((row) => Object.fromEntries(COLUMNS.map((column, n) => [column, row[n]]))));
    if (page) write(path.join(ROOT, page), rows);
  }
}

/** Those of all files of this run. */
export const results = new Results();
after(() => results.report());

function summary(rounds: Result[]): (string | number)[] {
  const { project, fault } = rounds[0] as Result;
  const total = (field: 'sent' | 'acknowledged' | 'lost' | 'doubled') =>
    rounds.reduce((sum, round) => sum + round[field], 0);
  const times = rounds.map(({ recovery }) => recovery).sort((a, b) => a - b);
  const [median, longest] = [times[Math.floor((times.length - 1) / 2)], times.at(-1)] as [number, number];
  const counts = [total('sent'), total('acknowledged'), total('lost'), total('doubled')];
  return [project, fault, rounds.length, ...counts, median.toFixed(1), longest.toFixed(1)];
}

function write(page: string, rows: (string | number)[][]): void {
  const [before, rest] = readFileSync(page, 'utf8').split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (after === undefined) throw new Error(`${page} has no place for the table`);
  const table = [COLUMNS, COLUMNS.map((_, n) => (n < 2 ? '---' : '---:')), ...rows];
  const lines = table.map((row) => `| ${row.join(' | ')} |\n`);
  writeFileSync(page, [before, BEGIN, '\n', ...lines, END, after].join(''));
}
