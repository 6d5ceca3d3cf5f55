// Sales that are about to open and cannot be grabbed yet: an alarm beforehand, not a surprise at the opening. Every
// process warms what it finds (warm.ts), so one that is still not in Redis has something in its way.

import { and, eq, gt, isNull, or, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { readMany } from "../redis/reading.ts";
import { sales } from "./table.ts";

export interface SaleWatch {
  /** Sales that open within `saleWarmAlarmSeconds` or are open, and are not in Redis. */
  notWarm(): readonly number[];
  /** One look. Throws the servers' errors. */
  look(): Promise<void>;
  /** Begins to look; returns how to stop. */
  start(): () => void;
}

interface WatchDeps {
  readonly db: Database;
  readonly redis: Redis;
  readonly log: Log;
  /** Told of one that MySQL takes for warm and Redis does not have. */
  readonly onMissing: (saleId: number) => void;
}

const seconds = (count: number) => sql.raw(String(count));
const now = sql`UTC_TIMESTAMP(3)`;

/** Those that open soon, and those that nobody has warmed though there was time to. */
const isDue = or(
  and(
    gt(sales.opensAt, now),
    sql`${sales.opensAt} <= ${now} + INTERVAL ${seconds(limits.saleWarmAlarmSeconds)} SECOND`,
  ),
  and(isNull(sales.warmedAt), or(isNull(sales.opensAt), sql`${sales.opensAt} <= ${now}`)),
);
const isOldEnough = sql`${sales.createdAt} < ${now} - INTERVAL ${seconds(limits.saleWarmPatienceSeconds)} SECOND`;
const isNotOver = or(isNull(sales.closesAt), gt(sales.closesAt, now));

export function createSaleWatch({ db, redis, log, onMissing }: WatchDeps): SaleWatch {
  let notWarm: readonly number[] = [];

  async function look(): Promise<void> {
    const due = await db
      .select({ id: sales.id, warmedAt: sales.warmedAt, opensAt: sales.opensAt })
      .from(sales)
      .where(and(eq(sales.state, "open"), isDue, isOldEnough, isNotOver))
      .limit(limits.warmSalesPerPass);
    const found = await readMany(redis, (pipeline) => {
      for (const { id } of due) pipeline.exists(saleKeys(id).sale);
    });
    const absent = due.filter((_, place) => found[place] === 0);
    const known = new Set(notWarm);
    for (const { id, opensAt, warmedAt } of absent) {
      if (!known.has(id)) log.error({ saleId: id, opensAt }, "a sale opens soon and is not warm");
      if (warmedAt) onMissing(id);
    }
    notWarm = absent.map(({ id }) => id);
  }

  return {
    notWarm: () => notWarm,
    look,
    start() {
      let looking = false;
      const timer = setInterval(() => {
        if (looking) return;
        looking = true;
        look()
          .catch((error) =>
            log.warn({ reason: reasonOf(error) }, "looking at sales to come failed"),
          )
          .finally(() => {
            looking = false;
          });
      }, limits.warmPassMs);
      return () => clearInterval(timer);
    },
  };
}
