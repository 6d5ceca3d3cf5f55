// Makes the coupons of grants that have just become rows, in the same transaction: a grant without its coupon would
// be a promise that nobody can keep, a coupon without its grant a gift. What keeps a coupon from being written goes
// to `dead_letters`; the grant stands, and the audit says what is missing.

import { sql } from "drizzle-orm";
import { areAt } from "../coupons/row.ts";
import { coupons } from "../coupons/table.ts";
import type { Transaction } from "../db/client.ts";
import type { LedgerGrant } from "./entry.ts";
import { type Batch, bury, insertOrBury } from "./letters.ts";

/** What the reason of a dead letter begins with when the grant stands and its coupon was refused. */
export const COUPON_REASON = "its coupon: ";

/** What a sale says of its coupons. */
export interface CouponSale {
  readonly templateId: number;
  /** Id of the secret that makes their codes. */
  readonly codeKey: string;
}

interface CouponOf {
  readonly row: LedgerGrant;
  readonly entryId: string;
  readonly sale: CouponSale;
}

interface Coupon extends CouponOf {
  readonly code: string;
}

/**
 * Inserts the coupons of these grants; one that MySQL has already, with this code and for this user, is no
 * conflict: its grant was lost and found again.
 */
export async function insertCoupons(
  tx: Transaction,
  batch: Batch,
  granted: readonly CouponOf[],
): Promise<void> {
  const made: Coupon[] = [];
  for (const of of granted) {
    const { row, sale } = of;
    const code = batch.codes.codeOf(sale.codeKey, row.saleId, row.grantNo, row.userId);
    if (code !== undefined) made.push({ ...of, code });
    else await buryCoupon(tx, batch, of, `CODE_SECRET lacks the secret ${sale.codeKey}`);
  }
  await insertOrBury(
    {
      insert: (rows) => tx.execute(insertAll(rows)),
      withoutWritten: (rows) => withoutWritten(tx, rows),
      bury: (coupon, reason) => buryCoupon(tx, batch, coupon, reason),
    },
    made,
  );
}

/** One INSERT like that of the grants. A template that is gone leaves a coupon without bounds, not none. */
function insertAll(made: readonly Coupon[]) {
  const list = made.map(({ code, row, sale }) => [
    ...[code, row.userId, row.saleId, row.grantNo, sale.templateId],
    row.grantedAt.toISOString().slice(0, -1).replace("T", " "),
  ]);
  return sql`INSERT INTO coupons
    (code, user_id, sale_id, grant_no, template_id, valid_from, expires_at, granted_at)
    SELECT entry.code, entry.user_id, entry.sale_id, entry.grant_no, entry.template_id, templates.valid_from,
      COALESCE(templates.valid_until, entry.granted_at + INTERVAL templates.valid_days DAY), entry.granted_at
    FROM JSON_TABLE(${JSON.stringify(list)}, '$[*]' COLUMNS (
      code VARCHAR(64) PATH '$[0]', user_id BIGINT UNSIGNED PATH '$[1]',
      sale_id BIGINT UNSIGNED PATH '$[2]', grant_no BIGINT UNSIGNED PATH '$[3]',
      template_id BIGINT UNSIGNED PATH '$[4]', granted_at DATETIME(3) PATH '$[5]')) AS entry
    LEFT JOIN templates ON templates.id = entry.template_id`;
}

async function withoutWritten(tx: Transaction, made: readonly Coupon[]): Promise<Coupon[]> {
  const placeOf = (saleId: number, grantNo: number, userId: number, code: string) =>
    `${saleId} ${grantNo} ${userId} ${code}`;
  const rows = await tx
    .select()
    .from(coupons)
    .where(areAt(made.map(({ row }) => row)));
  const written = new Set(
    rows.map(({ saleId, grantNo, userId, code }) => placeOf(saleId, grantNo, userId, code)),
  );
  return made.filter(
    ({ row, code }) => !written.has(placeOf(row.saleId, row.grantNo, row.userId, code)),
  );
}

/** Without its code: whoever reads dead letters must not be able to use it. */
function buryCoupon(
  tx: Transaction,
  batch: Batch,
  { row, entryId }: CouponOf,
  reason: string,
): Promise<void> {
  const { saleId, grantNo } = row;
  return bury(tx, batch, {
    ...{ entryId, saleId, grantNo, reason: `${COUPON_REASON}${reason}` },
    payload: JSON.stringify(row),
  });
}
