// The sums that compare what two stores say of numbers and their holders, without holding both.

import type { Claim } from "../grab/winners.ts";

export const sameHolder = (a: Claim, b: Claim): boolean =>
  a.userId === b.userId && a.slot === b.slot && a.keyHash === b.keyHash;

const BUCKETS = 65_536;
/** The greatest power of two that an integer of the hash has. */
const WORD = 0x1_0000_0000;

const mix = (hash: number, value: number): number => {
  const mixed = Math.imul(hash ^ value, 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
};

/**
 * What is added on one side and taken away on the other leaves nothing. All claims on one number are in one of
 * 65,536 groups, so a group that does not come to nothing leads back to a few numbers. Two stores that differ
 * pass unnoticed once in 2^64.
 */
export class ClaimSums {
  readonly #low = new Int32Array(BUCKETS);
  readonly #high = new Int32Array(BUCKETS);

  /** `sign` is 1 for the one store and -1 for the other. */
  add({ number, userId, slot, keyHash }: Claim, sign: 1 | -1): void {
    let hash = mix(mix(mix(0x2545_f491, number), userId), userId / WORD);
    hash = mix(mix(hash, number / WORD), slot);
    if (keyHash !== null) {
      for (let i = 0; i < keyHash.length; i += 1) hash = mix(hash, keyHash.charCodeAt(i) + 1);
    }
    const group = groupOf(number);
    // An Int32Array keeps the lowest 32 bits of what is put into it.
    this.#low[group] = (this.#low[group] as number) + sign * hash;
    this.#high[group] = (this.#high[group] as number) + sign * mix(hash, 0x51ed_270b ^ userId);
  }

  /** The groups that do not come to nothing. */
  differing(): Set<number> {
    const groups = new Set<number>();
    for (let group = 0; group < BUCKETS; group += 1) {
      if (this.#low[group] !== 0 || this.#high[group] !== 0) groups.add(group);
    }
    return groups;
  }
}

/** The group of a number. */
export const groupOf = (number: number): number => number % BUCKETS;
