// In which order coupons are applied. It follows from the coupons alone: neither from the order's prices nor from what
// coupons are worth, and not from the sequence in which somebody has written them down. In a fixed order each step leaves
// the more of every item the more there was of any; so spending more never gets less off, and a coupon that is
// worth more never makes all of them together worth less (but for the odd units of shares, see rounding.ts). An
// order that followed prices would turn round when a price moves by a cent, and the sum with it.

import type { Held, Terms } from "./order.ts";

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type Ending = Pick<Held, "code" | "expiresAt">;

/** Which of two coupons expires first; what never expires is last. Of equals the code decides. */
export const compareExpiry = (a: Ending, b: Ending): number => {
  const at = ({ expiresAt }: Ending) => expiresAt?.getTime() ?? Number.MAX_SAFE_INTEGER;
  return at(a) - at(b) || compareText(a.code, b.code);
};

const PHASES = { amount_off: 0, percent_off: 1, free_shipping: 2 } as const;

/** Small for a coupon that is for little: for certain goods, for categories, for all; with exceptions is less. */
function breadthOf({ goods, categories, excludedGoods, excludedCategories }: Terms): number {
  const named = categories.length > 0 ? 1 : goods.length > 0 ? 0 : 2;
  return 2 * named + (excludedGoods.length + excludedCategories.length > 0 ? 0 : 1);
}

/**
 * Amounts, the percentage, shippings. Of amounts the one that is for less is first, because the others can still
 * take theirs from other items; then the one of the older template, so that coupons of one template stand together and
 * it makes no difference which of them are used. Where that decides nothing, the one that expires first is first.
 */
export function compareApplication(a: Held, b: Held): number {
  const [left, right] = [a.terms, b.terms];
  const byPhase = PHASES[left.type] - PHASES[right.type];
  if (byPhase !== 0 || left.type !== "amount_off") return byPhase || compareExpiry(a, b);
  return breadthOf(left) - breadthOf(right) || a.templateId - b.templateId || compareExpiry(a, b);
}
