// The end of a change in MySQL. Whoever comes to it (the process that began the change, another that finishes it, a
// recovery that rebuilds the sale) holds the sale's row; the first decides, and the others find out what.

import { and, eq, sql } from "drizzle-orm";
import type { Transaction } from "../../db/client.ts";
import { isDataError, isDuplicate } from "../../db/errors.ts";
import { shards } from "../../ledger/table.ts";
import { columnsOf, madeBy, type PendingChange, type SaleRow } from "../stored.ts";
import { outbox, saleChanges, sales } from "../table.ts";
import { hasOwnPause, resumingAfter } from "./new-template.ts";

export type Verdict = "applied" | "refused";

/** The row of this change and of no other one; by the primary key. */
const isOf = ({ saleId, changeId }: PendingChange) =>
  and(eq(outbox.saleId, saleId), eq(outbox.changeId, changeId));

/** Holds the change's row in the outbox until the transaction ends; false when it is not there any more. */
export async function holdPending(tx: Transaction, pending: PendingChange): Promise<boolean> {
  const [row] = await tx.select().from(outbox).where(isOf(pending)).for("update");
  return row !== undefined;
}

export const forgetPending = (tx: Transaction, pending: PendingChange) =>
  tx.delete(outbox).where(isOf(pending));

/** Writes into the history of a sale. */
export const remember = (tx: Transaction, pending: Omit<PendingChange, "epoch" | "createdAt">) =>
  tx.insert(saleChanges).values({
    ...{ saleId: pending.saleId, changeId: pending.changeId },
    ...{ version: pending.version, action: pending.action },
    ...{ before: pending.before, after: pending.change, reason: pending.reason },
    ...{ actor: pending.actor, requestKey: pending.requestKey },
  });

/** The row, held until the transaction ends. */
export async function lockSale(tx: Transaction, saleId: number): Promise<SaleRow | undefined> {
  const [row] = await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
  return row;
}

/**
 * Whether this is still the shard's epoch; if so, the next one does not begin before the transaction ends. Asked
 * before the sale's row is taken, as by everybody who needs both.
 */
export async function isAtEpoch(tx: Transaction, shard: number, epoch: number): Promise<boolean> {
  const [row] = await tx
    .select({ epoch: shards.epoch })
    .from(shards)
    .where(eq(shards.shard, shard))
    .for("update");
  return row?.epoch === epoch;
}

/** The row as it was before a change that is refused, which uses up its version. */
async function takeBack(tx: Transaction, { saleId, before, version }: PendingChange) {
  const { name, ...rest } = before;
  const isThis = eq(sales.id, saleId);
  await tx
    .update(sales)
    .set({ ...columnsOf(rest), version })
    .where(isThis);
  if (name === undefined) return;
  try {
    await tx.update(sales).set(columnsOf({ name })).where(isThis);
  } catch (error) {
    // Somebody has taken the old name in the moment that it was free: the sale keeps the new one.
    if (!isDuplicate(error)) throw error;
  }
}

/**
 * Makes a half-made change whole, or undoes what MySQL has of it. Returns what has become of it, which is not
 * `verdict` when somebody else has decided before. A change that is refused uses up its version, so that the next one
 * has another. A sale that was deleted keeps its place in the outbox, until it is gone from Redis too.
 */
export async function settle(
  tx: Transaction,
  pending: PendingChange,
  verdict: Verdict,
): Promise<Verdict> {
  const { saleId, changeId } = pending;
  const sale = await lockSale(tx, saleId);
  const waits = await holdPending(tx, pending);
  if (!sale || !waits) {
    const [done] = await tx
      .select({ id: saleChanges.id })
      .from(saleChanges)
      .where(eq(saleChanges.changeId, changeId));
    // Somebody has deleted the sale by hand: there is nothing left to change.
    if (waits && !done) await forgetPending(tx, pending);
    return done ? "applied" : "refused";
  }
  // Somebody has won under the template that it had: Redis has lost the change, or never had it.
  const isLate = pending.change.templateId !== undefined && sale.granted > 0;
  if (verdict === "refused" || isLate) {
    await takeBack(tx, pending);
    await forgetPending(tx, pending);
    return "refused";
  }
  await remember(tx, pending);
  if (pending.action === "delete") {
    await tx.delete(sales).where(eq(sales.id, saleId));
    return "applied";
  }
  await tx.update(sales).set(madeBy(pending)).where(eq(sales.id, saleId));
  await forgetPending(tx, pending);
  if (hasOwnPause(pending.change)) {
    const next = resumingAfter(pending);
    await tx.insert(outbox).values(next);
    // What opens up is in MySQL first.
    await tx.update(sales).set(next.change).where(eq(sales.id, saleId));
  }
  return "applied";
}

/**
 * A wrong value, or a number that is no time at all: MySQL will not take it the next time either. A CHECK could be
 * violated for a moment only, by a total that is lowered to what Redis has after returns which MySQL does not have yet;
 * nothing returns grants in Redis first, and whoever adds that must wait here for the sale's backlog.
 */
const cannotBeHeld = (error: unknown): boolean => isDataError(error) || error instanceof RangeError;

/**
 * The same for a change that has waited in the outbox, where somebody may have put it by hand. "unfit": MySQL cannot
 * hold it. It is dropped then, because whoever came to it would fail, and with it all that wait behind it. What MySQL
 * has of it already, which is what makes room, stays, because Redis may sell by it.
 */
export async function settleOrDrop(
  tx: Transaction,
  pending: PendingChange,
  verdict: Verdict,
): Promise<Verdict | "unfit"> {
  await tx.execute(sql`SAVEPOINT unsettled`);
  try {
    return await settle(tx, pending, verdict);
  } catch (error) {
    if (!cannotBeHeld(error)) throw error;
  }
  await tx.execute(sql`ROLLBACK TO SAVEPOINT unsettled`);
  const version = sql`GREATEST(${sales.version}, ${pending.version})`;
  await tx.update(sales).set({ version }).where(eq(sales.id, pending.saleId));
  await forgetPending(tx, pending);
  return "unfit";
}
