// How often the memory level has what is asked for, against a plain LRU list of the same size and against the best
// that any fixed choice could do: to hold the most popular things of the trace from its beginning.
//
// The traces follow Zipf's law: the thing of rank r is asked for in proportion to 1 / r^s. How much one percent of
// the things can hold is a matter of s, and hardly of the cache, for any that cannot see the future: with s = 1 even the
// best fixed choice has two requests of three, so 95 % is to be had from about 1.4 on.

import { LRUCache } from "lru-cache";
import { Memory } from "../src/cache/memory.ts";

export interface TraceOptions {
  readonly things: number;
  readonly requests: number;
  /** The exponent s. */
  readonly exponent: number;
  /** The share of requests that go to something nobody has asked for before. */
  readonly scan: number;
}

export interface HitRatios {
  readonly own: number;
  readonly lru: number;
  /** Of a cache that holds the most popular things and never changes. */
  readonly fixed: number;
}

/** The same numbers below 1 each time (mulberry32). */
function drawFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranks from 0; those from `things` on come once. */
export function makeTrace(
  { things, requests, exponent, scan }: TraceOptions,
  seed = 1,
): Uint32Array {
  const draw = drawFrom(seed);
  const upTo = new Float64Array(things);
  let sum = 0;
  for (let rank = 0; rank < things; rank++) upTo[rank] = sum += (rank + 1) ** -exponent;
  let fresh = things;
  return Uint32Array.from({ length: requests }, () => {
    if (draw() < scan) return fresh++;
    const wanted = draw() * sum;
    let [low, high] = [0, things - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

/** Hit ratios of caches of `entries`, cold at the beginning of the trace. */
export function replay(trace: Uint32Array, entries: number): HitRatios {
  const own = new Memory<number, object>({ entriesMax: entries, bytesMax: 2 ** 30, ttlMs: 1e9 });
  const lru = new LRUCache<number, object>({ max: entries });
  const counts = new Map<number, number>();
  const value = {};
  let [ownHits, lruHits] = [0, 0];
  for (const rank of trace) {
    if (own.get(rank, 0)) ownHits++;
    else own.set(rank, value, 2, 0);
    if (lru.get(rank)) lruHits++;
    else lru.set(rank, value);
    counts.set(rank, (counts.get(rank) ?? 0) + 1);
  }
  const best = [...counts.values()].sort((a, b) => b - a).slice(0, entries);
  const share = (hits: number) => hits / trace.length;
  return {
    own: share(ownHits),
    lru: share(lruHits),
    fixed: share(best.reduce((sum, count) => sum + count, 0)),
  };
}

const THINGS = 100_000;
const REQUESTS = 1_000_000;
const EXPONENTS = [0.8, 1, 1.2, 1.4, 1.5];
const SCANS = [0, 0.25];

export interface CacheFigure extends HitRatios {
  readonly exponent: number;
  /** The share of requests for something that nobody else asks for. */
  readonly scan: number;
}

/** Each trace with room for one percent of the things. */
export const measureCache = (): CacheFigure[] =>
  SCANS.flatMap((scan) =>
    EXPONENTS.map((exponent) => {
      const trace = makeTrace({ things: THINGS, requests: REQUESTS, exponent, scan });
      return { exponent, scan, ...replay(trace, THINGS / 100) };
    }),
  );
