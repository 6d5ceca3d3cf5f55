// A coupon as its owner sees it: what the services of this feature answer with.

import { type CouponRow, type CouponState, stateOf } from "./row.ts";

/** Money in minor units, times in RFC 3339 with milliseconds, in UTC. */
export interface Coupon {
  readonly code: string;
  readonly state: CouponState;
  /** False: granted a moment ago, and not in MySQL yet. */
  readonly recorded: boolean;
  readonly saleId: number;
  readonly grantNo: number;
  readonly template: TemplateInShort;
  /** Usable from here and before there; null is without a bound. */
  readonly validFrom: string | null;
  readonly expiresAt: string | null;
  readonly grantedAt: string;
  /** The order that has it locked or used. */
  readonly orderSn: string | null;
  readonly lockedUntil: string | null;
  /** What the order came to before it and what it took off, once it is used. */
  readonly originalAmount: number | null;
  readonly discountAmount: number | null;
  readonly usedAt: string | null;
}

export interface TemplateInShort {
  readonly id: number;
  readonly name: string;
  readonly type: "amount_off" | "percent_off" | "free_shipping";
  readonly faceValue: number;
  readonly basisPoints: number | null;
  readonly discountMax: number | null;
  readonly minimumSpend: number;
  readonly currency: string;
}

/** What a coupon shows of its template. */
export const inShort = (template: TemplateInShort): TemplateInShort => {
  const { id, name, type, faceValue, basisPoints, discountMax, minimumSpend, currency } = template;
  return { id, name, type, faceValue, basisPoints, discountMax, minimumSpend, currency };
};

const timeOf = (time: Date | null): string | null => time?.toISOString() ?? null;

/** The view of a row; what a lock that ran out has left in it is not shown. */
export function couponOf(row: CouponRow): Coupon {
  const state = stateOf(row);
  const ofOrder = state === "locked" || state === "used";
  return {
    ...{ code: row.code, state, recorded: true, saleId: row.saleId, grantNo: row.grantNo },
    template: inShort(row.template),
    ...{ validFrom: timeOf(row.validFrom), expiresAt: timeOf(row.expiresAt) },
    grantedAt: row.grantedAt.toISOString(),
    orderSn: ofOrder ? row.orderSn : null,
    lockedUntil: state === "locked" ? timeOf(row.lockedUntil) : null,
    ...{ originalAmount: row.originalAmount, discountAmount: row.discountAmount },
    usedAt: timeOf(row.usedAt),
  };
}
