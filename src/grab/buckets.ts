// A token bucket per user, in process memory: the rate of grabs is never counted in the Redis that sells,
// because a write per refused attempt is what a storm must not cost.
//
// Each bucket is one number (the generic cell rate algorithm, ITU-T I.371): the time at which the bucket will
// be full again. The buckets stand in a table of fixed size, four to a set: a storm of new users moves the
// garbage collector, and a table of numbers gives it nothing to do (a Map cost 3 to 6 us a grab, this under
// 1). Where a set is full, the bucket that is nearest to full makes room; forgetting it is nearly nothing.

import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";

const INTERVAL_MS = 1_000 / limits.grabsPerSecond;
const TOLERANCE_MS = INTERVAL_MS * (limits.grabsBurst - 1);
/** How long an empty bucket takes to fill. */
const EMPTY_MS = INTERVAL_MS * limits.grabsBurst;
const WAYS = 4;
const SETS = limits.grabBucketsMax / WAYS;

/** The first place of a user's set; multiplying by 2^32 over the golden ratio spreads neighbouring ids. */
function setOf(userId: number): number {
  const folded = (userId % 0x1_0000_0000) ^ Math.floor(userId / 0x1_0000_0000);
  return ((Math.imul(folded, 0x9e37_79b1) >>> 0) % SETS) * WAYS;
}

export class GrabBuckets {
  /** User ids; 0, which is nobody's, where a place is free. */
  readonly #users = new Float64Array(limits.grabBucketsMax);
  readonly #fullAt = new Float64Array(limits.grabBucketsMax);

  constructor(readonly clock: Clock) {}

  /** Takes one token of a user. Returns 0 when there was one, otherwise the whole seconds until there will be. */
  take(userId: number): number {
    const now = this.clock.now();
    const place = this.#placeOf(userId);
    const known = this.#users[place] === userId ? (this.#fullAt[place] ?? 0) : 0;
    // Never emptier than empty: a clock that was set back must not lock anybody out.
    const fullAt = Math.min(Math.max(known, now), now + EMPTY_MS);
    if (fullAt - now > TOLERANCE_MS) return Math.ceil((fullAt - now - TOLERANCE_MS) / 1_000);
    this.#users[place] = userId;
    this.#fullAt[place] = fullAt + INTERVAL_MS;
    return 0;
  }

  /** The user's place, or the one in the user's set that is free or nearest to full. */
  #placeOf(userId: number): number {
    const first = setOf(userId);
    let place = first;
    for (let way = first; way < first + WAYS; way += 1) {
      if (this.#users[way] === userId) return way;
      if ((this.#fullAt[way] ?? 0) < (this.#fullAt[place] ?? 0)) place = way;
    }
    return place;
  }
}
