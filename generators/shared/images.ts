import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The digest of each base image; none where `npm run pin` has not looked it up, which it does for a release. */
const DIGESTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(path.join(import.meta.dirname, 'digests.json'), 'utf8'),
);

/** How a project names a base image: by its tag, and by the digest that it had when the generator was released. */
export function pinned(image: string): string {
  const digest = DIGESTS[image];
  if (digest === undefined) throw new Error(`generators/shared/digests.json does not name ${image}`);
  return digest ? `${image}@${digest}` : image;
}
