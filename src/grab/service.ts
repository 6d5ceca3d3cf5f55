// A grab: the user's own rate first, then what this process knows for certain, then the queue to Redis.

import type { GrabBuckets } from "./buckets.ts";
import type { GrabOutcome } from "./outcome.ts";
import type { GrabQueue } from "./queue.ts";
import type { SoldOut } from "./soldout.ts";

export type { GrabOutcome } from "./outcome.ts";

export interface Grabs {
  /**
   * One attempt of one user on one sale. `keyHash` names the attempt where the sale's limit is above one, so that
   * its repetition is told from another; `perSecond` is the user's rate there, for whoever has it at hand. Never
   * rejects: an outcome that is not known is `unavailable`, and repeating the attempt resolves it.
   */
  grab(saleId: number, userId: string, keyHash?: string, perSecond?: number): Promise<GrabOutcome>;
  /** How many grabs the user may make at once now, at this rate; undefined when rates are not limited. */
  left(saleId: number, userId: string, perSecond?: number): number | undefined;
  /**
   * Looks for a sale that this process does not know, unless the user has named too many of late that there are not:
   * then the seconds to wait. To find out that there is none costs both stores, and there are endless ids and names.
   * Rejects as `look` does.
   */
  lookUp<Sale>(
    userId: string,
    look: () => Promise<Sale | undefined>,
  ): Promise<Sale | undefined> | number;
}

export interface GrabDeps {
  readonly queue: GrabQueue;
  readonly soldOut: SoldOut;
  /** Absent when RATE_LIMITS is off. */
  readonly buckets: GrabBuckets | undefined;
  /** The sale's own rate, where the grab does not say; undefined where it has none. Memory only. */
  readonly rateOf: (saleId: number) => number | undefined;
  readonly count: (outcome: GrabOutcome) => void;
  /** Told of a grant that is confirmed again from memory. */
  readonly repeated: (saleId: number, grantNo: number, userId: string) => void;
}

/** Nobody's id: whose bucket is the one for all sales that are not known. */
const UNKNOWN_SALE = 0;

export function createGrabs(deps: GrabDeps): Grabs {
  const { queue, soldOut, buckets, rateOf, count, repeated } = deps;
  const counted = (outcome: GrabOutcome): GrabOutcome => {
    count(outcome);
    return outcome;
  };
  return {
    grab(saleId, userId, keyHash = "", perSecond = rateOf(saleId)) {
      const left = buckets?.take(saleId, Number(userId), perSecond) ?? 0;
      if (left < 0) {
        return Promise.resolve(counted({ kind: "too_fast", retryAfterSeconds: -left }));
      }
      const known = soldOut.answer(saleId, userId);
      if (known?.kind === "repeated") repeated(saleId, known.number, userId);
      if (known) return Promise.resolve(counted(known));
      return queue.grab(saleId, userId, keyHash).then(counted);
    },
    left: (saleId, userId, perSecond) => buckets?.left(saleId, Number(userId), perSecond),
    lookUp(userId, look) {
      const left = buckets?.take(UNKNOWN_SALE, Number(userId)) ?? 0;
      if (left < 0) {
        count({ kind: "too_fast", retryAfterSeconds: -left });
        return -left;
      }
      const giveBack = () => buckets?.giveBack(UNKNOWN_SALE, Number(userId));
      return look().then(
        (found) => {
          if (found !== undefined) giveBack();
          return found;
        },
        (error: unknown) => {
          giveBack();
          throw error;
        },
      );
    },
  };
}
