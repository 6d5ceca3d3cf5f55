import type { Database } from "../db/client.ts";
import { startPurge } from "../db/purge.ts";
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
export const createSweep = ({ db, log }: { db: Database; log: Log }): Sweep => ({
  start: () =>
    startPurge({
      ...{ everyMs: limits.couponSweepMs, batchRows: limits.couponSweepBatch },
      // Coupons expire once no lock that ran out is left: one that was locked until its end does so in the same pass.
      async batch() {
        const freed = await freeLapsed(db);
        return freed === limits.couponSweepBatch ? freed : expireOver(db);
      },
      ...{ log, failed: "sweeping coupons failed" },
    }),
});
