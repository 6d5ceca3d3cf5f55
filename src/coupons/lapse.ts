// Locks that ran out, and coupons whose time is over: what their states have been since then is written down here,
// a batch at a time, and what they held of limits and budgets comes free. Every reading and every change of a coupon
// treats them so anyway; only the counters need somebody to do it. Any number of processes may: rows that another
// one has in hand are skipped.

import { and, asc, eq, type SQL, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { limits } from "../limits.ts";
import { settle } from "./counters.ts";
import { areAt } from "./row.ts";
import { writeLog } from "./steps.ts";
import { coupons } from "./table.ts";
import { transact } from "./transact.ts";

const ACTOR = "sweep";

const due = (state: "locked" | "unused", ...conditions: (SQL | undefined)[]) =>
  and(eq(coupons.state, state), sql`${coupons.dueAt} <= UTC_TIMESTAMP(3)`, ...conditions);

const pick = (tx: Transaction, where: SQL | undefined) =>
  tx
    .select({
      id: coupons.id,
      saleId: coupons.saleId,
      grantNo: coupons.grantNo,
      userId: coupons.userId,
      templateId: coupons.templateId,
      orderSn: coupons.orderSn,
      reserved: coupons.reserved,
    })
    .from(coupons)
    .where(where)
    .orderBy(asc(coupons.dueAt))
    .limit(limits.couponSweepBatch)
    .for("update", { skipLocked: true });

/**
 * Frees locks that ran out, at most `couponSweepBatch`, of one template or one user of it if given. Returns how
 * many. Throws MySQL's error.
 */
export const freeLapsed = (
  db: Database,
  only: { templateId?: number; userId?: number } = {},
): Promise<number> =>
  transact(db, async (tx) => {
    const { templateId, userId } = only;
    const lapsed = due(
      "locked",
      templateId === undefined ? undefined : eq(coupons.templateId, templateId),
      userId === undefined ? undefined : eq(coupons.userId, userId),
    );
    const rows = await pick(tx, lapsed);
    if (rows.length === 0) return { result: 0, keep: false };
    await tx
      .update(coupons)
      .set({ state: "unused", orderSn: null, byService: false, lockedUntil: null, reserved: 0 })
      .where(and(areAt(rows), due("locked")));
    await writeLog(
      tx,
      rows.map(({ id, orderSn }) => ({ couponId: id, action: "lapse", orderSn, actor: ACTOR })),
    );
    // What gives back needs no room.
    await settle(
      tx,
      rows.map((row) => ({ ...row, userLimit: null, held: -1, reserved: -row.reserved, spent: 0 })),
    );
    return { result: rows.length, keep: true };
  });

/** Marks unused coupons whose time is over, at most `couponSweepBatch`. Returns how many. Throws MySQL's error. */
export const expireOver = (db: Database): Promise<number> =>
  transact(db, async (tx) => {
    const rows = await pick(tx, due("unused"));
    if (rows.length === 0) return { result: 0, keep: false };
    await tx
      .update(coupons)
      .set({ state: "expired" })
      .where(and(areAt(rows), due("unused")));
    await writeLog(
      tx,
      rows.map(({ id: couponId }) => ({ couponId, action: "expire", orderSn: null, actor: ACTOR })),
    );
    return { result: rows.length, keep: true };
  });
