import { amountOff } from "./amount-off.ts";
import { freeShipping } from "./free-shipping.ts";
import type { Terms } from "./order.ts";
import { percentOff } from "./percent-off.ts";

/** What a coupon takes off when so much of its eligible items, and of the shipping fee, is left. */
export function worth(terms: Terms, items: number, shipping: number): number {
  switch (terms.type) {
    case "amount_off":
      return amountOff(terms, items);
    case "percent_off":
      return percentOff(terms, items);
    case "free_shipping":
      return freeShipping(terms, shipping);
  }
}
