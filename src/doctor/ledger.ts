// What the ledger tells of the past and of what is still under way: dead letters, recoveries that burned
// numbers, grants that wait for MySQL.

import { count, gt, like, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { backlogsOf, totalBacklog } from "../ledger/backlog.ts";
import { COUPON_REASON } from "../ledger/letters.ts";
import { deadLetters, recoveries } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { allShards } from "../redis/keys.ts";
import { type Check, failure, ok, warning } from "./check.ts";

/** Throws when MySQL does not answer. */
export async function checkHistory(db: Database): Promise<Check[]> {
  const ofCoupon = like(deadLetters.reason, `${COUPON_REASON}%`);
  const [letters] = await db
    .select({ all: count(), coupons: sql<string | null>`SUM(${ofCoupon})` })
    .from(deadLetters);
  const [burned] = await db
    .select({ recoveries: count(), voids: sql<string | null>`SUM(${recoveries.voids})` })
    .from(recoveries)
    .where(
      sql`${gt(recoveries.voids, 0)} AND ${recoveries.createdAt} > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
    );
  const ofCoupons = Number(letters?.coupons ?? 0);
  const ofGrants = (letters?.all ?? 0) - ofCoupons;
  return [...judgeLetters(ofGrants, ofCoupons), judgeVoids(Number(burned?.voids ?? 0))];
}

/** `ofGrants` were refused themselves, `ofCoupons` have their row and lack the coupon. */
export function judgeLetters(ofGrants: number, ofCoupons: number): Check[] {
  const name = "dead letters";
  if (ofGrants === 0 && ofCoupons === 0) return [ok(name, "none")];
  const grants = failure(
    name,
    `${ofGrants}: confirmed grants that MySQL would not take`,
    "SELECT shard, sale_id, grant_no, reason FROM dead_letters: mend the cause, write the grants in by hand, then delete their letters.",
  );
  const coupons = failure(
    "dead letters of coupons",
    `${ofCoupons}: grants whose coupons MySQL would not take`,
    "SELECT shard, sale_id, grant_no, reason FROM dead_letters: mend the cause, then run doorbuster coupons repair, which makes the coupons and takes their letters away.",
  );
  return [...(ofGrants > 0 ? [grants] : []), ...(ofCoupons > 0 ? [coupons] : [])];
}

const judgeVoids = (voids: number): Check =>
  voids === 0
    ? ok("recoveries", "no number was burned in the last 24 hours")
    : warning(
        "recoveries",
        `${voids} numbers were burned in the last 24 hours`,
        "Grants were lost that only Redis knew: SELECT * FROM recoveries WHERE voids > 0 says when and why. Keep DURABILITY=durable, and Redis's disk.",
      );

/** Grants in Redis that MySQL does not have yet. Throws RedisAway. */
export async function checkBacklog(redis: Redis): Promise<Check[]> {
  return [judgeBacklog(totalBacklog(await backlogsOf(redis, allShards)))];
}

export function judgeBacklog(grants: number): Check {
  const found = `${grants.toLocaleString("en")} grants wait for MySQL`;
  if (grants <= limits.doctorBacklogGrants) return ok("backlog", found);
  return warning(
    "backlog",
    found,
    `MySQL is behind; at ${limits.backlogGrantsMax.toLocaleString("en")} of one sale its grabs are refused. Run the doctor again: if it does not fall, look at MySQL's load and its disk.`,
  );
}
