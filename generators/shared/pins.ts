/** How a Dockerfile and a Compose file name a base image, with the words before it, and its digest where it is pinned. */
const IMAGE = /^(?<image>(?:FROM| *image:) [^\s@$]+:[^\s@$]+)(?<digest>@sha256:[0-9a-f]{64})?(?=\s|$)/gm;

/**
 * The digest of each image that a merge has to leave as it is. Digests change with every release of the generator, and
 * owners change them by ops/three-tier pin and by Dependabot, so the owner's holds as long as the tag is the same; where the
 * owner has chosen another image, that of the former is no news.
 *
 * @param theirs - The text of the owner.
 * @param base - The text that was generated last.
 */
export function settledDigests(theirs: string, base: string): ReadonlyMap<string, string> {
  const owned = digestsIn(theirs);
  const settled = new Map<string, string>();
  for (const [image, digest] of digestsIn(base)) {
    const own = owned.get(image);
    if (own !== digest) settled.set(image, own ?? digest);
  }
  return settled;
}

/** The text with these digests in place of its own. */
export function withDigests(text: string, digests: ReadonlyMap<string, string>): string {
  return text.replace(IMAGE, (found: string, image: string) =>
    digests.has(image) ? `${image}${digests.get(image)}` : found,
  );
}

function digestsIn(text: string): Map<string, string> {
  return new Map([...text.matchAll(IMAGE)].map(([, image = '', digest = '']) => [image, digest]));
}
