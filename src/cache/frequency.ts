// How often each key has been asked for lately, in a few bits: a count-min sketch of four rows of 4-bit counters
// that are halved again and again, so that what was popular yesterday gives way. It is the filter of W-TinyLFU
// (G. Einziger, R. Friedman, B. Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on
// Storage 13(4), 2017): it tells whether something new is worth more than what it would push out.

const ROWS = 4;
/** Counters per row and entry; fewer would let strangers share a counter too often. */
const COUNTERS_PER_ENTRY = 4;
/** After so many countings per entry all counters are halved. */
const SAMPLE_PER_ENTRY = 10;
const COUNTER_MAX = 15;
const COUNTERS_PER_WORD = 8;
const HALVES = 0x77777777;

/** Spreads a number over 32 bits (the last step of MurmurHash3). */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

export class Frequency {
  readonly #words: Uint32Array;
  readonly #wordsPerRow: number;
  readonly #mask: number;
  readonly #sampleMax: number;
  // Drawn per sketch, so that nobody can choose names that share their counters with others.
  readonly #seed = (Math.random() * 2 ** 32) | 0;
  #counted = 0;

  /** For a cache of `entriesMax`; takes 8 to 16 bytes for each. */
  constructor(entriesMax: number) {
    const width = 2 ** Math.ceil(Math.log2(Math.max(entriesMax * COUNTERS_PER_ENTRY, 64)));
    this.#mask = width - 1;
    this.#wordsPerRow = width / COUNTERS_PER_WORD;
    this.#words = new Uint32Array(this.#wordsPerRow * ROWS);
    this.#sampleMax = Math.max(entriesMax, 16) * SAMPLE_PER_ENTRY;
  }

  /** What `count` and `of` know a key by, 32 bits. */
  hashOf(key: string | number): number {
    if (typeof key === "number") return mix(this.#seed ^ mix(key | 0) ^ ((key / 2 ** 32) | 0));
    let hash = this.#seed;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    return mix(hash);
  }

  /** Counts one use. */
  count(hash: number): void {
    const step = mix(hash) | 1;
    for (let row = 0; row < ROWS; row++) {
      const place = (hash + row * step) & this.#mask;
      const word = row * this.#wordsPerRow + (place >>> 3);
      const shift = (place & 7) << 2;
      const value = this.#words[word] as number;
      if (((value >>> shift) & COUNTER_MAX) < COUNTER_MAX) this.#words[word] = value + (1 << shift);
    }
    if (++this.#counted >= this.#sampleMax) this.#age();
  }

  /** About how often it was counted lately, 0 to 15; never less than it was, but for the ageing. */
  of(hash: number): number {
    const step = mix(hash) | 1;
    let least = COUNTER_MAX;
    for (let row = 0; row < ROWS; row++) {
      const place = (hash + row * step) & this.#mask;
      const value = this.#words[row * this.#wordsPerRow + (place >>> 3)] as number;
      least = Math.min(least, (value >>> ((place & 7) << 2)) & COUNTER_MAX);
    }
    return least;
  }

  #age(): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at++) words[at] = ((words[at] as number) >>> 1) & HALVES;
    this.#counted >>>= 1;
  }
}
