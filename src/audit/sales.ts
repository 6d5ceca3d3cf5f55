// MySQL's word on sales.

import { eq, inArray, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { type SaleRow, type StoredSale, storedColumns } from "../sales/stored.ts";
import { outbox, sales } from "../sales/table.ts";

/** A sale and the greatest number that it has a row of, both of one moment. */
export interface CountedSale extends StoredSale {
  /** 0 when there is no row. */
  readonly lastNumber: number;
}

/** These sales as they stand now, by id. */
export async function salesNow(
  db: Database,
  ids: readonly number[],
): Promise<Map<number, CountedSale>> {
  if (ids.length === 0) return new Map();
  // Backwards along the primary key: MAX would read all rows of the sale.
  const last = sql<number | null>`(SELECT ${grants.grantNo} FROM ${grants}
    WHERE ${grants.saleId} = ${sales.id} ORDER BY ${grants.grantNo} DESC LIMIT 1)`;
  const rows = await db
    .select({ ...storedColumns, lastNumber: last })
    .from(sales)
    .leftJoin(outbox, eq(outbox.saleId, sales.id))
    .where(inArray(sales.id, [...ids]));
  return new Map(rows.map((row) => [row.id, { ...row, lastNumber: Number(row.lastNumber ?? 0) }]));
}

/** One sale, warmed or not; undefined when there is none. */
export async function saleNow(db: Database, id: number): Promise<SaleRow | undefined> {
  const [row] = await db.select().from(sales).where(eq(sales.id, id));
  return row;
}
