import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliDecompressSync, gzipSync } from 'node:zlib';
import { temporaryFolder } from './folders.ts';
import { ROOT } from './generate.ts';

const FIXTURES = path.join(ROOT, 'test/fixtures');
const SUFFIX = '.json.br';

/** Projects as earlier commits wrote them, called lyco; scripts/fixtures.ts makes them. */
export const fixtures: readonly string[] = readdirSync(FIXTURES).map((file) => file.replace(SUFFIX, ''));

/** Unpacks a fixture into a new folder; the project's path. */
export function unpackFixture(fixture: string): string {
  const packed = readFileSync(path.join(FIXTURES, fixture + SUFFIX));
  const files: Record<string, { mode: number; contents: string }> = JSON.parse(String(brotliDecompressSync(packed)));
  const project = path.join(temporaryFolder(), 'lyco');
  for (const [file, { mode, contents }] of Object.entries(files)) {
    const target = path.join(project, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.endsWith('.gz') ? gzipSync(contents) : contents);
    chmodSync(target, mode);
  }
  return project;
}
