const HEADING = /^## \[?([^\s\]]+)\]?.*$/m;

/** Whether the version `a` is newer than `b`, as far as their three numbers say. */
export function isNewer(a: string, b: string): boolean {
  const [left, right] = [numbers(a), numbers(b)];
  const different = left.findIndex((number, place) => number !== right[place]);
  return different >= 0 && (left[different] ?? 0) > (right[different] ?? 0);
}

/**
 * The sections of a changelog that are newer than the version `from`, the newest first.
 *
 * @param from - The version that somebody comes from; undefined where it is not known, which gives all of them.
 */
export function notesSince(changelog: string, from: string | undefined): string {
  return changelog
    .split(/^(?=## )/m)
    .filter((section) => isSince(HEADING.exec(section)?.[1], from))
    .map((section) => section.trim())
    .join('\n\n');
}

function isSince(version: string | undefined, from: string | undefined): boolean {
  if (version === undefined) return false;
  return version === 'Unreleased' || from === undefined || isNewer(version, from);
}

function numbers(version: string): number[] {
  return version
    .split('-', 1)[0]
    ?.split('.', 3)
    .map((number) => Number.parseInt(number, 10) || 0) as number[];
}
