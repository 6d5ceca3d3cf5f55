// Sales that are about to open and cannot be grabbed yet: an alarm beforehand, not a surprise at the opening. Every
// process warms what it finds (warm.ts), so one that is still not in Redis has something in its way.

import { and, asc, eq, gt, gte, isNull, lte, or, type SQL, sql } from "drizzle-orm";
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

const opensSoon = and(
  gt(sales.opensAt, now),
  sql`${sales.opensAt} <= ${now} + INTERVAL ${seconds(limits.saleWarmAlarmSeconds)} SECOND`,
);
/** Nobody has warmed them though there was time to. */
const isCold = and(isNull(sales.warmedAt), or(isNull(sales.opensAt), lte(sales.opensAt, now)));
const isOldEnough = sql`${sales.createdAt} < ${now} - INTERVAL ${seconds(limits.saleWarmPatienceSeconds)} SECOND`;
const isNotOver = or(isNull(sales.closesAt), gt(sales.closesAt, now));

interface Due {
  readonly id: number;
  readonly warmedAt: Date | null;
  readonly opensAt: Date | null;
}

/** Those that come after this one. */
const isBehind = ({ id, opensAt }: Due) =>
  opensAt === null
    ? undefined
    : and(gte(sales.opensAt, opensAt), or(gt(sales.opensAt, opensAt), gt(sales.id, id)));

export function createSaleWatch({ db, redis, log, onMissing }: WatchDeps): SaleWatch {
  let notWarm: readonly number[] = [];

  /** What opens first comes first. Each is a question of its own, so that an index answers it. */
  const dueOf = (which: SQL | undefined): Promise<Due[]> =>
    db
      .select({ id: sales.id, warmedAt: sales.warmedAt, opensAt: sales.opensAt })
      .from(sales)
      .where(and(eq(sales.state, "open"), which, isOldEnough, isNotOver))
      .orderBy(asc(sales.opensAt), asc(sales.id))
      .limit(limits.warmSalesPerPass);

  /** Of these sales, those that Redis does not have. */
  async function absentOf(due: readonly Due[]): Promise<Due[]> {
    const found = await readMany(redis, (pipeline) => {
      for (const { id } of due) pipeline.exists(saleKeys(id).sale);
    });
    return due.filter((_, place) => found[place] === 0);
  }

  async function look(): Promise<void> {
    const absent = await absentOf(await dueOf(isCold));
    // All of those that open soon, however many: one that is never looked at is the surprise.
    let last: Due | undefined;
    do {
      const page = await dueOf(and(opensSoon, last && isBehind(last)));
      absent.push(...(await absentOf(page)));
      last = page[limits.warmSalesPerPass - 1];
    } while (last);
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
