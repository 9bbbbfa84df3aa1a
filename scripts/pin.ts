/**
 * Looks up which digests the tags of the base images have now, and writes them into generators/shared/digests.json, or
 * into the file that is given. From then on generated projects name their images by tag and digest.
 *
 *     npm run pin
 *     npm run pin -- --from REGISTRY [FILE]     asks a registry that has the same images under the same names
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ options: { from: { type: 'string' } }, allowPositionals: true });
const file = positionals[0] ?? path.join(import.meta.dirname, '../generators/shared/digests.json');

function lookUp(image: string): string {
  const reference = values.from ? `${values.from}/${image}` : image;
  const args = ['buildx', 'imagetools', 'inspect', '--format', '{{json .Manifest.Digest}}', reference];
  const digest = JSON.parse(execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${reference} has no digest but ${digest}`);
  return digest;
}

const images = Object.keys(JSON.parse(readFileSync(file, 'utf8')));
const digests = Object.fromEntries(images.map((image) => [image, lookUp(image)]));
writeFileSync(file, `${JSON.stringify(digests, null, 2)}\n`);
for (const [image, digest] of Object.entries(digests)) console.log(`${image}@${digest}`);
