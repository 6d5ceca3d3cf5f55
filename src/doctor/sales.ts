// Whether the sales are where grabs look for them: in Redis. What MySQL says was put there and is missing means
// that Redis has lost something; what is about to open and was never put there cannot be grabbed.

import { and, asc, gt, isNotNull, isNull, or, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { readMany } from "../redis/reading.ts";
import { sales } from "../sales/table.ts";
import { type Check, none } from "./check.ts";

const isNotOver = or(isNull(sales.closesAt), gt(sales.closesAt, sql`UTC_TIMESTAMP(3)`));

/** Throws when MySQL or Redis does not answer. */
export async function checkSales(redis: Redis, db: Database): Promise<Check[]> {
  const { warm, missing } = await missingSales(redis, db);
  const cold = await coldSales(db);
  return [
    none("sales in redis", named("missing", missing), {
      well: `all ${warm.toLocaleString("en")} that were put there`,
      advice:
        "Redis has lost them. A running service recovers the shard at the first grab; have one process running, grab once, and run the doctor again.",
    }),
    none("sales about to open", named("not in Redis", cold), {
      well: "all that open within the hour are in Redis",
      advice:
        "A running service puts them there within a second of the gates being open: see the gates above and its log.",
    }),
  ];
}

/** One fault that names some of these sales, or none. */
function named(what: string, ids: readonly number[]): string[] {
  if (ids.length === 0) return [];
  const some = ids.slice(0, limits.doctorSalesNamedMax).join(", ");
  const rest = ids.length - limits.doctorSalesNamedMax;
  return [`${what}: sale ${some}${rest > 0 ? ` and ${rest.toLocaleString("en")} more` : ""}`];
}

/** Asks Redis for every sale that was warmed and is not over, page by page. */
async function missingSales(
  redis: Redis,
  db: Database,
): Promise<{ warm: number; missing: number[] }> {
  const missing: number[] = [];
  let warm = 0;
  let page: number[];
  let last = 0;
  do {
    const rows = await db
      .select({ id: sales.id })
      .from(sales)
      .where(and(gt(sales.id, last), isNotNull(sales.warmedAt), isNotOver))
      .orderBy(asc(sales.id))
      .limit(limits.counterSalesPerReadMax);
    page = rows.map(({ id }) => id);
    const found = await readMany(redis, (pipeline) => {
      for (const id of page) pipeline.exists(saleKeys(id).sale);
    });
    missing.push(...page.filter((_, i) => found[i] === 0));
    warm += page.length;
    last = page.at(-1) ?? 0;
  } while (page.length === limits.counterSalesPerReadMax);
  return { warm, missing };
}

/** Sales that open within the hour and that nobody has warmed, though there was time to. */
async function coldSales(db: Database): Promise<number[]> {
  const rows = await db
    .select({ id: sales.id })
    .from(sales)
    .where(
      and(
        isNull(sales.warmedAt),
        isNotOver,
        or(isNull(sales.opensAt), sql`${sales.opensAt} < UTC_TIMESTAMP(3) + INTERVAL 1 HOUR`),
        sql`${sales.createdAt} < UTC_TIMESTAMP(3) - INTERVAL ${sql.raw(String(limits.doctorColdSaleSeconds))} SECOND`,
      ),
    )
    .orderBy(asc(sales.id))
    .limit(limits.warmSalesPerPass);
  return rows.map(({ id }) => id);
}
