// Coupons as they stand in MySQL, together with what MySQL's own clock says of their times and with what their
// templates promise. Whoever decides something about a coupon decides it from one such reading, and then makes the
// change by an UPDATE that demands that the coupon is still so (steps.ts).

import { and, eq, inArray, or, type SQL, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { templates } from "../templates/table.ts";
import { coupons } from "./table.ts";

/** As clients see it: a lock that ran out and a time that is over count, whether or not a row says so yet. */
export type CouponState = "unused" | "locked" | "used" | "expired";

export const COUPON_STATES = ["unused", "locked", "used", "expired"] as const;

const NOW = sql`UTC_TIMESTAMP(3)`;

// Judged by MySQL's clock inside each statement: processes may be minutes apart.
export const lockRuns = sql`${coupons.lockedUntil} > ${NOW}`;
export const lockRanOut = sql`${coupons.lockedUntil} <= ${NOW}`;
export const isOver = sql`(${coupons.expiresAt} IS NOT NULL AND ${coupons.expiresAt} <= ${NOW})`;
export const isEarly = sql`(${coupons.validFrom} IS NOT NULL AND ${coupons.validFrom} > ${NOW})`;

/** Where a coupon is: its grant. */
export interface CouponPlace {
  readonly saleId: number;
  readonly grantNo: number;
}

export const isAt = ({ saleId, grantNo }: CouponPlace): SQL[] => [
  eq(coupons.saleId, saleId),
  eq(coupons.grantNo, grantNo),
];

/** The coupons at these places, at least one; said in a way that both servers find by the primary key. */
export const areAt = (places: readonly CouponPlace[]): SQL | undefined =>
  or(
    ...[...Map.groupBy(places, ({ saleId }) => saleId)].map(([saleId, ofSale]) =>
      and(
        eq(coupons.saleId, saleId),
        inArray(
          coupons.grantNo,
          ofSale.map(({ grantNo }) => grantNo),
        ),
      ),
    ),
  );

/** The one order in which coupons are changed, or two changes that overlap could wait for each other. */
export const byPlace = (a: CouponPlace, b: CouponPlace): number =>
  a.saleId - b.saleId || a.grantNo - b.grantNo;

const flag = (condition: SQL) => sql`IF(${condition}, 1, 0)`.mapWith(Boolean);

/** The columns of a coupon that decide its state. */
const stateColumns = {
  stored: coupons.state,
  lapsed: flag(sql`${coupons.state} = 'locked' AND ${lockRanOut}`),
  over: flag(isOver),
};

const columns = {
  ...stateColumns,
  id: coupons.id,
  code: coupons.code,
  userId: coupons.userId,
  saleId: coupons.saleId,
  grantNo: coupons.grantNo,
  templateId: coupons.templateId,
  early: flag(isEarly),
  validFrom: coupons.validFrom,
  expiresAt: coupons.expiresAt,
  orderSn: coupons.orderSn,
  byService: coupons.byService,
  lockedUntil: coupons.lockedUntil,
  reserved: coupons.reserved,
  originalAmount: coupons.originalAmount,
  discountAmount: coupons.discountAmount,
  usedAt: coupons.usedAt,
  grantedAt: coupons.grantedAt,
  template: {
    id: templates.id,
    name: templates.name,
    type: sql<"amount_off" | "percent_off" | "free_shipping">`${templates.type}`,
    faceValue: templates.faceValue,
    basisPoints: templates.basisPoints,
    discountMax: templates.discountMax,
    minimumSpend: templates.minimumSpend,
    currency: templates.currency,
    userLimit: templates.userLimit,
    budget: templates.budget,
  },
};

const select = (db: Database | Transaction) =>
  db.select(columns).from(coupons).innerJoin(templates, eq(templates.id, coupons.templateId));

export type CouponRow = Awaited<ReturnType<typeof select>>[number];

/** A user's coupons by their codes, in no particular order; somebody else's are not found. Throws MySQL's error. */
export const readCoupons = (
  db: Database | Transaction,
  userId: number,
  codes: readonly string[],
): Promise<CouponRow[]> =>
  select(db).where(and(inArray(coupons.code, [...codes]), eq(coupons.userId, userId)));

/** What a client is told of a coupon's state. */
export function stateOf({
  stored,
  lapsed,
  over,
}: {
  stored: string;
  lapsed: boolean;
  over: boolean;
}): CouponState {
  if (stored === "used" || stored === "expired") return stored;
  if (stored === "locked" && !lapsed) return "locked";
  return over ? "expired" : "unused";
}
