/** Random choices that a seed repeats. */
export class Random {
  #state: number;

  /** The seed is any text. */
  constructor(seed: string) {
    this.#state = [...seed].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193), 0x811c9dc5);
  }

  /** A number from 0 up to, and without, 1 (mulberry32). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.#next();
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const found = [...items];
    for (let n = found.length - 1; n > 0; n--) {
      const other = Math.floor(this.between(0, n + 1));
      [found[n], found[other]] = [found[other] as Item, found[n] as Item];
    }
    return found;
  }

  /** At least one of the items, in random order and number. */
  some<Item>(items: readonly Item[]): Item[] {
    return this.shuffled(items).slice(0, Math.floor(this.between(1, items.length + 1)));
  }
}
