import { scopeOf } from "./eligibility.ts";
import type { Terms } from "./order.ts";
import type { Reason } from "./outcome.ts";

/** The eligible items must come to the minimum spend, before any discount and without the shipping fee. */
export const mustReachMinimum = (terms: Terms, eligible: number): Reason | undefined =>
  eligible >= terms.minimumSpend
    ? undefined
    : {
        code: "spend_more",
        amount: terms.minimumSpend - eligible,
        currency: terms.currency,
        ...scopeOf(terms),
      };
