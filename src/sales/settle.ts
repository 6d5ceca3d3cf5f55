// The end of a change in MySQL. Whoever comes to it (the process that began the change, another that finishes it, a
// recovery that rebuilds the sale) holds the sale's row; the first decides, and the others find out what.

import { and, eq } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { columnsOf, type PendingChange, type SaleRow } from "./stored.ts";
import { outbox, saleChanges, sales } from "./table.ts";

export type Verdict = "applied" | "refused";

const isOf = ({ saleId, version }: PendingChange) =>
  and(eq(outbox.saleId, saleId), eq(outbox.version, version));

export const forgetPending = (tx: Transaction, pending: PendingChange) =>
  tx.delete(outbox).where(isOf(pending));

/** Writes into the history of a sale. */
export const remember = (tx: Transaction, pending: Omit<PendingChange, "epoch" | "createdAt">) =>
  tx.insert(saleChanges).values({
    ...{ saleId: pending.saleId, version: pending.version, action: pending.action },
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
 * `verdict` when somebody else has decided before. A sale that was deleted keeps its place in the outbox, until it
 * is gone from Redis too.
 */
export async function settle(
  tx: Transaction,
  pending: PendingChange,
  verdict: Verdict,
): Promise<Verdict> {
  const { saleId, version } = pending;
  const sale = await lockSale(tx, saleId);
  const [waiting] = await tx.select().from(outbox).where(isOf(pending)).for("update");
  if (!sale || !waiting) {
    const [done] = await tx
      .select({ id: saleChanges.id })
      .from(saleChanges)
      .where(and(eq(saleChanges.saleId, saleId), eq(saleChanges.version, version)));
    return done ? "applied" : "refused";
  }
  if (verdict === "refused") {
    await tx.update(sales).set(columnsOf(pending.before)).where(eq(sales.id, saleId));
    await forgetPending(tx, pending);
    return "refused";
  }
  await remember(tx, pending);
  if (pending.action === "delete") {
    await tx.delete(sales).where(eq(sales.id, saleId));
    return "applied";
  }
  await tx
    .update(sales)
    .set({ ...columnsOf(pending.change), version })
    .where(eq(sales.id, saleId));
  await forgetPending(tx, pending);
  return "applied";
}
