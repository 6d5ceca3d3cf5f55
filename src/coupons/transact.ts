import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Transaction } from "../db/client.ts";
import { ER_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, errnoOf } from "../db/errors.ts";
import { limits } from "../limits.ts";

/** Ends a transaction without a change, and is its result. */
class RolledBack<Result> extends Error {
  constructor(readonly result: Result) {
    super("rolled back");
  }
}

export interface Attempt<Result> {
  readonly result: Result;
  readonly keep: boolean;
}

const isContention = (error: unknown): boolean =>
  [ER_DEADLOCK, ER_LOCK_WAIT_TIMEOUT].includes(errnoOf(error) ?? 0);

/**
 * Runs `work` in a transaction, which is rolled back unless it says `keep`. A deadlock or a lock that took too long
 * to come is tried again, `couponRetriesMax` times, each after a longer pause, and no longer than a query may take; then
 * its error is thrown, like every other error of MySQL.
 */
export async function transact<Result>(
  db: Database,
  work: (tx: Transaction) => Promise<Attempt<Result>>,
): Promise<Result> {
  const startedAt = performance.now();
  for (let retry = 0; ; retry += 1) {
    try {
      return await db.transaction(async (tx) => {
        const { result, keep } = await work(tx);
        if (!keep) throw new RolledBack(result);
        return result;
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.result as Result;
      const tooLong = performance.now() - startedAt > limits.mysqlQueryTimeoutMs;
      if (!isContention(error) || tooLong || retry === limits.couponRetriesMax) throw error;
      await sleep(Math.random() * limits.couponRetryDelayMs * 2 ** retry);
    }
  }
}
