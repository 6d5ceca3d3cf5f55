// Makes the coupons of grants that have just become rows, in the same transaction: a grant without its coupon would
// be a promise that nobody can keep, a coupon without its grant a gift. What keeps a coupon from being written goes
// to `dead_letters`; the grant stands, and the audit says what is missing.

import { eq, sql } from "drizzle-orm";
import { areAt } from "../coupons/row.ts";
import { coupons } from "../coupons/table.ts";
import type { Transaction } from "../db/client.ts";
import { instantLiteral, numberLiteral } from "../db/literals.ts";
import { templates } from "../templates/table.ts";
import type { LedgerGrant } from "./entry.ts";
import { type Batch, bury, COUPON_REASON, insertOrBury } from "./letters.ts";

/** What a sale says of its coupons. */
export interface CouponSale {
  readonly templateId: number;
  /** Id of the secret that makes their codes. */
  readonly codeKey: string;
}

/** The same, with what its template says of when they can be used. */
export interface DatedSale extends CouponSale {
  readonly validFrom: Date | null;
  readonly validUntil: Date | null;
  readonly validDays: number | null;
}

/** What a reading of sales joins to them for `DatedSale`; a template that is gone leaves coupons without bounds. */
export const dates = {
  validFrom: templates.validFrom,
  validUntil: templates.validUntil,
  validDays: templates.validDays,
};

export async function withDates(tx: Transaction, sale: CouponSale): Promise<DatedSale> {
  const [row] = await tx.select(dates).from(templates).where(eq(templates.id, sale.templateId));
  return { ...sale, ...(row ?? { validFrom: null, validUntil: null, validDays: null }) };
}

interface CouponOf {
  readonly row: LedgerGrant;
  readonly entryId: string;
  readonly sale: DatedSale;
}

const DAY_MS = 86_400_000;

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

/** From when and until when a coupon of this grant can be used. */
function datesOf(
  { validFrom, validUntil, validDays }: DatedSale,
  grantedAt: Date,
): (Date | null)[] {
  const days = validDays === null ? null : new Date(grantedAt.getTime() + validDays * DAY_MS);
  return [validFrom, validUntil ?? days];
}

/** One INSERT like that of the grants. */
function insertAll(made: readonly Coupon[]) {
  let last: CouponOf | undefined;
  let times = "";
  const values = made.map((coupon) => {
    const { code, row, sale } = coupon;
    if (row.grantedAt !== last?.row.grantedAt || sale !== last.sale) {
      times = [...datesOf(sale, row.grantedAt), row.grantedAt].map(instantLiteral).join();
      last = coupon;
    }
    const numbers = [row.userId, row.saleId, row.grantNo, sale.templateId];
    return `('${code}',${numbers.map(numberLiteral).join()},${times})`;
  });
  return sql.raw(
    `INSERT INTO coupons
      (code, user_id, sale_id, grant_no, template_id, valid_from, expires_at, granted_at)
    VALUES ${values.join()}`,
  );
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
