// Puts grants into MySQL's `grants`, many rows in one statement, and with each its coupon (coupons.ts).

import { and, eq, inArray, sql } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { type CouponSale, insertCoupons } from "./coupons.ts";
import type { LedgerGrant } from "./entry.ts";
import { type Batch, bury, insertOrBury } from "./letters.ts";
import { grants } from "./table.ts";

/** A grant, the ledger entry that it came from, and its sale. */
export interface Writable {
  readonly row: LedgerGrant;
  readonly entryId: string;
  readonly sale: CouponSale;
}

/**
 * Inserts grants of one sale that recovery has found elsewhere than in the ledger; those that MySQL refuses go to
 * `dead_letters` under `entryId` and their user. Returns how many became rows.
 */
export async function insertFound(
  tx: Transaction,
  batch: Batch,
  entryId: string,
  sale: CouponSale,
  rows: readonly LedgerGrant[],
): Promise<number> {
  // Two users may claim one number, and each claim is to be seen.
  const found = rows.map((row) => ({ row, sale, entryId: `${entryId}-${row.userId}` }));
  return (await insertGrants(tx, batch, found)).length;
}

/**
 * One INSERT with all rows in a single JSON parameter. Measured against Drizzle's `values()`, at 1,000 rows:
 * 2 instead of 14 us of CPU per row here, the same in the server. The types are wider than the table's, so
 * that a value that does not fit is refused by the INSERT, in strict mode, and not turned into NULL before.
 * A key that is too long even for that is cut, and still too long for the table.
 */
function insertAll(writable: readonly Writable[]) {
  const list = writable.map(({ row }) => [
    ...[row.saleId, row.grantNo, row.userId, row.userSlot],
    ...[row.keyHash?.slice(0, 1_000).toWellFormed() ?? null, row.epoch],
    row.grantedAt.toISOString().slice(0, -1).replace("T", " "),
  ]);
  return sql`INSERT INTO grants (sale_id, grant_no, user_id, user_slot, key_hash, epoch, granted_at)
    SELECT * FROM JSON_TABLE(${JSON.stringify(list)}, '$[*]' COLUMNS (
      sale_id BIGINT UNSIGNED PATH '$[0]', grant_no BIGINT UNSIGNED PATH '$[1]',
      user_id BIGINT UNSIGNED PATH '$[2]', user_slot BIGINT UNSIGNED PATH '$[3]',
      key_hash VARCHAR(1024) PATH '$[4]', epoch BIGINT UNSIGNED PATH '$[5]',
      granted_at VARCHAR(32) PATH '$[6]')) AS entry`;
}

/**
 * Inserts all grants, and the coupons of those that were not here yet, in the transaction of the caller: whoever
 * dies in between leaves neither. Grants that MySQL has already, exactly as they are here, are no conflict, and have
 * had their coupon. Returns those that became rows.
 */
export async function insertGrants(
  tx: Transaction,
  batch: Batch,
  writable: readonly Writable[],
): Promise<Writable[]> {
  const inserted = await insertOrBury(
    {
      insert: (rows) => tx.execute(insertAll(rows)),
      withoutWritten: (rows) => withoutWritten(tx, rows),
      bury: ({ entryId, row }, reason) => buryGrant(tx, batch, entryId, row, reason),
    },
    writable,
  );
  await insertCoupons(tx, batch, inserted);
  return inserted;
}

async function withoutWritten(tx: Transaction, writable: readonly Writable[]): Promise<Writable[]> {
  const bySale = Map.groupBy(writable, ({ row }) => row.saleId);
  const written = new Set<string>();
  for (const [saleId, ofSale] of bySale) {
    const rows = await tx
      .select({ grantNo: grants.grantNo, userId: grants.userId, keyHash: grants.keyHash })
      .from(grants)
      .where(
        and(
          eq(grants.saleId, saleId),
          inArray(
            grants.grantNo,
            ofSale.map(({ row }) => row.grantNo),
          ),
        ),
      );
    for (const row of rows)
      written.add(`${saleId} ${row.grantNo} ${row.userId} ${row.keyHash ?? ""}`);
  }
  return writable.filter(
    ({ row }) => !written.has(`${row.saleId} ${row.grantNo} ${row.userId} ${row.keyHash ?? ""}`),
  );
}

/** Keeps what MySQL refuses, with the reason. */
export function buryGrant(
  tx: Transaction,
  batch: Batch,
  entryId: string,
  row: LedgerGrant,
  reason: string,
): Promise<void> {
  const { saleId, grantNo } = row;
  return bury(tx, batch, { entryId, saleId, grantNo, reason, payload: JSON.stringify(row) });
}
