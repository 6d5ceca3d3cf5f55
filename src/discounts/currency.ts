import type { Order, Terms } from "./order.ts";
import type { Reason } from "./outcome.ts";

/** Amounts are never converted: a coupon is for orders of its own currency. */
export const mustShareCurrency = (terms: Terms, order: Order): Reason | undefined =>
  terms.currency === order.currency
    ? undefined
    : { code: "other_currency", currency: terms.currency };
