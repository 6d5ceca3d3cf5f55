import type { Database } from "../db/client.ts";
import { startPurge } from "../db/purge.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { expireOver, freeLapsed } from "./lapse.ts";

/**
 * Begins to look, every `couponSweepMs` and on every process, for locks that ran out and coupons whose time is over;
 * returns how to stop, as `startPurge` does.
 */
export const startSweep = (db: Database, log: Log): (() => Promise<void>) =>
  startPurge({
    ...{ everyMs: limits.couponSweepMs, batchRows: limits.couponSweepBatch },
    // Coupons expire once no lock that ran out is left: one that was locked until its end does so in the same pass.
    async batch() {
      const freed = await freeLapsed(db);
      return freed === limits.couponSweepBatch ? freed : expireOver(db);
    },
    ...{ log, failed: "sweeping coupons failed" },
  });
