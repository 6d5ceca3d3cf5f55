// What has become of a coupon since its grant, as its owner and the shop's support see it.

import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { coupons, couponUsageLogs } from "./table.ts";

export const HISTORY_ACTIONS = [
  "lock",
  "confirm",
  "unlock",
  "use",
  "revert",
  "lapse",
  "expire",
] as const;

type HistoryAction = (typeof HISTORY_ACTIONS)[number];

/** One line of it. */
export interface CouponChange {
  readonly action: HistoryAction;
  readonly orderSn: string | null;
  /** Of a use, and of the use that a revert has taken back. */
  readonly originalAmount: number | null;
  readonly discountAmount: number | null;
  readonly by: "user" | "service" | "time";
  readonly at: string;
}

/** A later line has a greater id. */
export interface HistoryLine {
  readonly id: number;
  readonly change: CouponChange;
}

export interface HistoryPage {
  /** Only lines that are older than the one with this id. */
  readonly before?: number | undefined;
  readonly count: number;
}

const columns = {
  id: couponUsageLogs.id,
  action: sql<HistoryAction>`${couponUsageLogs.action}`,
  orderSn: couponUsageLogs.orderSn,
  originalAmount: couponUsageLogs.originalAmount,
  discountAmount: couponUsageLogs.discountAmount,
  actor: couponUsageLogs.actor,
  at: couponUsageLogs.at,
};

/** What time has ended counts as its doing, whoever found it so and wrote it down. */
function byOf(action: HistoryAction, actor: string): CouponChange["by"] {
  if (action === "lapse" || action === "expire") return "time";
  return actor.startsWith("key:") ? "service" : "user";
}

/** The newest `count` lines, newest first; undefined when MySQL has no such coupon of the user. Throws its error. */
export async function readHistory(
  db: Database,
  userId: number,
  code: string,
  { before, count }: HistoryPage,
): Promise<HistoryLine[] | undefined> {
  const [coupon] = await db
    .select({ id: coupons.id })
    .from(coupons)
    .where(and(eq(coupons.code, code), eq(coupons.userId, userId)));
  if (!coupon) return undefined;
  const older = before === undefined ? undefined : lt(couponUsageLogs.id, before);
  const lines = await db
    .select(columns)
    .from(couponUsageLogs)
    .where(and(eq(couponUsageLogs.couponId, coupon.id), older))
    .orderBy(desc(couponUsageLogs.id))
    .limit(count);
  return lines.map(({ id, actor, at, ...line }) => ({
    id,
    change: { ...line, by: byOf(line.action, actor), at: at.toISOString() },
  }));
}
