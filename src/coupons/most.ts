// How much a coupon can take off, by its template alone: what a lock sets aside of a budget, and what no use of the
// coupon may go beyond. What it really takes off an order depends on the goods, and is the business of discounts.

import { divided } from "../discounts/rounding.ts";

export interface Worth {
  readonly type: "amount_off" | "percent_off" | "free_shipping";
  /** Minor units, as all amounts here. */
  readonly faceValue: number;
  readonly basisPoints: number | null;
  readonly discountMax: number | null;
}

const WHOLE_BASIS_POINTS = 10_000;

/** The most that a coupon can take off an order that came to `original`, shipping included, before it. */
export function mostOff(worth: Worth, original: number): number {
  switch (worth.type) {
    case "amount_off":
      return Math.min(worth.faceValue, original);
    case "percent_off": {
      const { quotient } = divided(original, worth.basisPoints ?? 0, WHOLE_BASIS_POINTS);
      return Math.min(quotient, worth.discountMax ?? quotient);
    }
    case "free_shipping":
      return Math.min(original, worth.discountMax ?? original);
  }
}

/**
 * What a lock sets aside of a budget, before anybody knows the order. A template with a budget has a cap; without
 * one nothing less than the whole budget would do.
 */
export function mostOffAnyOrder(worth: Worth, budget: number): number {
  return worth.type === "amount_off" ? worth.faceValue : (worth.discountMax ?? budget);
}
