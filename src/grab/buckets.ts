// A token bucket per user, in process memory: the rate of grabs is never counted in the Redis that sells,
// because a write per refused attempt is what a storm must not cost.
//
// Each bucket is one number (the generic cell rate algorithm, ITU-T I.371): the time at which the bucket will
// be full again. Two generations of buckets bound the memory: when the young one is full it becomes the old
// one, and what was only in the old one is forgotten, which is to say full again.

import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";

const INTERVAL_MS = 1_000 / limits.grabsPerSecond;
const TOLERANCE_MS = INTERVAL_MS * (limits.grabsBurst - 1);
/** How long an empty bucket takes to fill. */
const EMPTY_MS = INTERVAL_MS * limits.grabsBurst;

export class GrabBuckets {
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(readonly clock: Clock) {}

  /** Takes one token. Returns 0 when there was one, otherwise the whole seconds until there will be. */
  take(userId: string): number {
    const now = this.clock.now();
    const known = this.#young.get(userId) ?? this.#old.get(userId) ?? 0;
    // Never emptier than empty: a clock that was set back must not lock anybody out.
    const fullAt = Math.min(Math.max(known, now), now + EMPTY_MS);
    if (fullAt - now > TOLERANCE_MS) return Math.ceil((fullAt - now - TOLERANCE_MS) / 1_000);
    this.#young.set(userId, fullAt + INTERVAL_MS);
    if (this.#young.size >= limits.grabBucketsMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return 0;
  }
}
