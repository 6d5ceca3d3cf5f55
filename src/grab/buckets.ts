// A token bucket per user and sale, in process memory: the rate of grabs is never counted in the Redis that
// sells, because a write per refused attempt is what a storm must not cost.
//
// Each bucket is one number (the generic cell rate algorithm, ITU-T I.371): the time at which the bucket will
// be full again. The buckets stand in a table of fixed size, four to a set: a storm of new users moves the
// garbage collector, and a table of numbers gives it nothing to do (a Map cost 3 to 6 us a grab, this under
// 1). Where a set is full, the bucket that is nearest to full makes room; forgetting it is nearly nothing.

import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";

const WAYS = 4;
const SETS = limits.grabBucketsMax / WAYS;

/** How long an empty bucket takes to fill, whatever its rate. */
const EMPTY_MS = 1_000 * limits.grabsBurstSeconds;
/** A third of a second cannot be told exactly; much less than any interval. */
const ROUNDING_MS = 0.1;

/** Tokens of a full bucket, for a rate per second. */
export const burstOf = (perSecond: number): number => perSecond * limits.grabsBurstSeconds;

/** The first place of a pair's set; multiplying by 2^32 over the golden ratio spreads neighbouring ids. */
function setOf(saleId: number, userId: number): number {
  const folded = (userId % 0x1_0000_0000) ^ Math.floor(userId / 0x1_0000_0000);
  const mixed = Math.imul(folded, 0x9e37_79b1) ^ Math.imul(saleId % 0x1_0000_0000, 0x85eb_ca6b);
  return ((mixed >>> 0) % SETS) * WAYS;
}

export class GrabBuckets {
  /** User and sale ids; 0, which is nobody's, where a place is free. */
  readonly #users = new Float64Array(limits.grabBucketsMax);
  readonly #sales = new Float64Array(limits.grabBucketsMax);
  readonly #fullAt = new Float64Array(limits.grabBucketsMax);

  constructor(readonly clock: Clock) {}

  /**
   * Takes one token of a user at a sale. Returns how many are left, or, where there was none, minus the whole
   * seconds until there will be one.
   */
  take(saleId: number, userId: number, perSecond: number = limits.grabsPerSecond): number {
    const now = this.clock.now();
    const place = this.#placeOf(saleId, userId);
    const intervalMs = 1_000 / perSecond;
    const fullAt = this.#fullFrom(place, saleId, userId, now) + intervalMs;
    const leftMs = now + EMPTY_MS - fullAt;
    if (leftMs < -ROUNDING_MS) return -Math.ceil(-leftMs / 1_000);
    this.#users[place] = userId;
    this.#sales[place] = saleId;
    this.#fullAt[place] = fullAt;
    return Math.floor((leftMs + ROUNDING_MS) / intervalMs);
  }

  /** Undoes one `take` of that rate. */
  giveBack(saleId: number, userId: number, perSecond: number = limits.grabsPerSecond): void {
    const place = this.#placeOf(saleId, userId);
    const known = this.#users[place] === userId && this.#sales[place] === saleId;
    if (known) this.#fullAt[place] = (this.#fullAt[place] ?? 0) - 1_000 / perSecond;
  }

  /** How many tokens a user has at a sale. */
  left(saleId: number, userId: number, perSecond: number = limits.grabsPerSecond): number {
    const now = this.clock.now();
    const place = this.#placeOf(saleId, userId);
    const leftMs = now + EMPTY_MS - this.#fullFrom(place, saleId, userId, now);
    return Math.floor(((leftMs + ROUNDING_MS) * perSecond) / 1_000);
  }

  /** When the pair's bucket is full; `place` is the pair's or somebody else's. */
  #fullFrom(place: number, saleId: number, userId: number, now: number): number {
    const known = this.#users[place] === userId && this.#sales[place] === saleId;
    // Never emptier than empty: a clock that was set back must not lock anybody out.
    return known ? Math.min(Math.max(this.#fullAt[place] ?? 0, now), now + EMPTY_MS) : now;
  }

  /** The pair's place, or the one in its set that is free or nearest to full. */
  #placeOf(saleId: number, userId: number): number {
    const first = setOf(saleId, userId);
    let place = first;
    for (let way = first; way < first + WAYS; way += 1) {
      if (this.#users[way] === userId && this.#sales[way] === saleId) return way;
      if ((this.#fullAt[way] ?? 0) < (this.#fullAt[place] ?? 0)) place = way;
    }
    return place;
  }
}
