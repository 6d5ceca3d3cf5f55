// Chance that can be had again: the same seed and purpose give the same numbers on every machine.

const MIX = 0x9e3779b9;

/** A 32-bit hash of a text, to start a generator from. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

/** Marsaglia's xorshift with a Weyl sequence; each purpose (the schedule, each client) has one of its own. */
export class Random {
  #state: number;
  #weyl = 0;

  constructor(seed: string, purpose: string) {
    this.#state = hashOf(`${seed}/${purpose}`) || 1;
    for (let round = 0; round < 8; round++) this.next();
  }

  /** From 0 up to, but not including, 1. */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#weyl = (this.#weyl + MIX) | 0;
    return ((this.#state + this.#weyl) >>> 0) / 2 ** 32;
  }

  /** A whole number from `first` to `last`, both included. */
  integer(first: number, last: number): number {
    return first + Math.floor(this.next() * (last - first + 1));
  }

  /** True so often out of 1. */
  chance(share: number): boolean {
    return this.next() < share;
  }

  /** One of a list that is not empty. */
  pick<Item>(list: readonly Item[]): Item {
    return list[this.integer(0, list.length - 1)] as Item;
  }

  /** The list in another order. */
  shuffle<Item>(list: readonly Item[]): Item[] {
    const left = [...list];
    const order: Item[] = [];
    while (left.length > 0) order.push(...left.splice(this.integer(0, left.length - 1), 1));
    return order;
  }

  /** Waiting times that are memoryless around a mean, never longer than five of it. */
  around(mean: number): number {
    return Math.min(-Math.log(1 - this.next()), 5) * mean;
  }
}
