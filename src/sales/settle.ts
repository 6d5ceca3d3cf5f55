// The end of a change in MySQL. Whoever comes to it (the process that began the change, another that finishes it, a
// recovery that rebuilds the sale) holds the sale's row; the first decides, and the others find out what.

import { and, eq } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { columnsOf, madeBy, type PendingChange, type SaleRow } from "./stored.ts";
import { outbox, saleChanges, sales } from "./table.ts";

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
 * Makes a half-made change whole, or undoes what MySQL has of it. Returns what has become of it, which is not
 * `verdict` when somebody else has decided before. A change that is refused uses up its version, so that the next one
 * has another. A sale that was deleted keeps its place in the outbox, until it is gone from Redis too.
 */
export async function settle(
  tx: Transaction,
  pending: PendingChange,
  verdict: Verdict,
): Promise<Verdict> {
  const { saleId, changeId, version } = pending;
  const sale = await lockSale(tx, saleId);
  const waits = await holdPending(tx, pending);
  if (!sale || !waits) {
    const [done] = await tx
      .select({ id: saleChanges.id })
      .from(saleChanges)
      .where(eq(saleChanges.changeId, changeId));
    return done ? "applied" : "refused";
  }
  if (verdict === "refused") {
    await tx
      .update(sales)
      .set({ ...columnsOf(pending.before), version })
      .where(eq(sales.id, saleId));
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
  return "applied";
}
