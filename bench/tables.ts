import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** The value that a part of all does not exceed: 0.99 is the slowest of a hundred. */
export function percentile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * part)] as number;
}

/** The smallest and the largest, in the given number of digits: `1.2–3.4`. */
export function spread(values: readonly number[], digits: number): string {
  return `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`;
}

/** A table in Markdown: the first column is text, the others are numbers. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = heads.map((_, n) => (n ? '---:' : '---'));
  return [heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** When and on what was measured, with the versions that matter: one line. */
export function circumstances(...versions: readonly string[]): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}`;
  return [new Date().toISOString().slice(0, 10), machine, ...versions].join('; ');
}

export function dockerVersion(): string {
  const engine = execFileSync('docker', ['version', '--format', '{{.Server.Version}}'], { encoding: 'utf8' });
  return `Docker ${engine.trim()}`;
}
