// What a change demands of a sale: some may be made only before it opens.

import { eq, sql } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { type SaleChange, sales } from "./table.ts";

/** Whether a change may be made before the sale opens only. */
export const isForUnopened = ({ userLimit, opensAt, grabsPerSecond }: SaleChange): boolean =>
  userLimit !== undefined || opensAt !== undefined || grabsPerSecond !== undefined;

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
