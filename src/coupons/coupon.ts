// A coupon as its owner sees it: what the services of this feature answer with.

import { type CouponRow, type CouponState, stateOf } from "./row.ts";

/** Money in minor units. */
export interface Coupon {
  readonly code: string;
  readonly state: CouponState;
  /** False: granted a moment ago, and not in MySQL yet. */
  readonly recorded: boolean;
  readonly saleId: number;
  readonly grantNo: number;
  readonly template: TemplateInShort;
  /** Usable from here and before there; null is without a bound. */
  readonly validFrom: Date | null;
  readonly expiresAt: Date | null;
  readonly grantedAt: Date;
  /** The order that has it locked or used. */
  readonly orderSn: string | null;
  readonly lockedUntil: Date | null;
  readonly originalAmount: number | null;
  readonly discountAmount: number | null;
  readonly usedAt: Date | null;
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

type OwnColumns = Omit<
  CouponRow,
  "template" | "early" | "reserved" | "userId" | "templateId" | "id"
>;

/** The view of a row; what a lock that ran out has left in it is not shown. */
export function couponOf(row: OwnColumns, template: TemplateInShort): Coupon {
  const state = stateOf(row);
  const ofOrder = state === "locked" || state === "used";
  const { id, name, type, faceValue, basisPoints, discountMax, minimumSpend, currency } = template;
  return {
    ...{ code: row.code, state, recorded: true, saleId: row.saleId, grantNo: row.grantNo },
    template: { id, name, type, faceValue, basisPoints, discountMax, minimumSpend, currency },
    ...{ validFrom: row.validFrom, expiresAt: row.expiresAt, grantedAt: row.grantedAt },
    orderSn: ofOrder ? row.orderSn : null,
    lockedUntil: state === "locked" ? row.lockedUntil : null,
    ...{ originalAmount: row.originalAmount, discountAmount: row.discountAmount },
    usedAt: row.usedAt,
  };
}
