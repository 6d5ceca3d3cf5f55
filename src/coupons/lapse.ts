// Locks that ran out, and coupons whose time is over: what their states have been since then is written down here,
// a batch at a time, and what they held of limits and budgets comes free. Every reading and every change of a coupon
// treats them so anyway; only the counters need somebody to do it. Any number of processes may: rows that another
// one has in hand are skipped.

import { and, asc, eq, inArray, type SQL } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { limits } from "../limits.ts";
import { settle } from "./counters.ts";
import { isOver, lockRanOut } from "./row.ts";
import { writeLog } from "./steps.ts";
import { coupons } from "./table.ts";
import { transact } from "./transact.ts";

const ACTOR = "sweep";

const due = (state: "locked" | "unused", ...conditions: (SQL | undefined)[]) =>
  and(eq(coupons.state, state), ...conditions);

const pick = (tx: Transaction, where: SQL | undefined, order: SQL | typeof coupons.expiresAt) =>
  tx
    .select({
      id: coupons.id,
      userId: coupons.userId,
      templateId: coupons.templateId,
      orderSn: coupons.orderSn,
      reserved: coupons.reserved,
    })
    .from(coupons)
    .where(where)
    .orderBy(asc(order))
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
      lockRanOut,
      templateId === undefined ? undefined : eq(coupons.templateId, templateId),
      userId === undefined ? undefined : eq(coupons.userId, userId),
    );
    const rows = await pick(tx, lapsed, coupons.lockedUntil);
    if (rows.length === 0) return { result: 0, keep: false };
    const ids = rows.map(({ id }) => id);
    await tx
      .update(coupons)
      .set({ state: "unused", orderSn: null, byService: false, lockedUntil: null, reserved: 0 })
      .where(and(inArray(coupons.id, ids), due("locked", lockRanOut)));
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
    const rows = await pick(tx, due("unused", isOver), coupons.expiresAt);
    if (rows.length === 0) return { result: 0, keep: false };
    const ids = rows.map(({ id }) => id);
    await tx
      .update(coupons)
      .set({ state: "expired" })
      .where(and(inArray(coupons.id, ids), due("unused", isOver)));
    await writeLog(
      tx,
      ids.map((couponId) => ({ couponId, action: "expire", orderSn: null, actor: ACTOR })),
    );
    return { result: rows.length, keep: true };
  });
