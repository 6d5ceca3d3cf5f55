// What a change demands of a sale: some may be made only before it opens, some only while nobody has any of it.

import { eq, sql } from "drizzle-orm";
import type { Transaction } from "../../db/client.ts";
import { type SaleAction, type SaleChange, sales } from "../table.ts";

const FOR_UNOPENED = ["name", "templateId", "userLimit", "opensAt", "grabsPerSecond"] as const;

/** Whether a change may be made before the sale opens only. */
export const isForUnopened = (change: SaleChange): boolean =>
  FOR_UNOPENED.some((name) => change[name] !== undefined);

/** What change.lua is to demand. */
export function demandOf(action: SaleAction, change: SaleChange): "" | "unopened" | "untouched" {
  if (action === "delete" || change.templateId !== undefined) return "untouched";
  return isForUnopened(change) ? "unopened" : "";
}

/** Whether a sale's window has begun, by MySQL's clock; a sale without a beginning is open from the first. */
export async function hasOpened(tx: Transaction, saleId: number): Promise<boolean> {
  const [row] = await tx
    .select({
      opened: sql<number>`${sales.opensAt} IS NULL OR ${sales.opensAt} <= UTC_TIMESTAMP(3)`,
    })
    .from(sales)
    .where(eq(sales.id, saleId));
  return row?.opened === 1;
}
