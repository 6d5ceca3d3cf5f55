import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { expireOver, freeLapsed } from "./lapse.ts";

export interface Sweep {
  /**
   * Begins to look for locks that ran out and coupons whose time is over; returns how to stop, which resolves when no
   * pass is under way any more.
   */
  start(): () => Promise<void>;
}

/** Looks every `couponSweepMs`, on every process; a pass goes on while it finds full batches. */
export function createSweep({ db, log }: { db: Database; log: Log }): Sweep {
  return {
    start() {
      let passing: Promise<void> | undefined;
      let stopped = false;
      const untilNoneIsLeft = async (batch: (db: Database) => Promise<number>) => {
        while (!stopped && (await batch(db)) === limits.couponSweepBatch);
      };
      const pass = async () => {
        await untilNoneIsLeft(freeLapsed);
        await untilNoneIsLeft(expireOver);
      };
      const timer = setInterval(() => {
        if (passing) return;
        passing = pass()
          .catch((error) => log.warn({ reason: reasonOf(error) }, "sweeping coupons failed"))
          .finally(() => {
            passing = undefined;
          });
      }, limits.couponSweepMs);
      return () => {
        stopped = true;
        clearInterval(timer);
        return passing ?? Promise.resolve();
      };
    },
  };
}
