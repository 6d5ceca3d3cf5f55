// How many coupons of one template may be used: what its limit per user and its budget still have room for.
// A calculation that left this out would promise what the lock then refuses.

import type { Held } from "./order.ts";
import type { Reason } from "./outcome.ts";

/** There must be room for one more coupon of the template. */
export function mustHaveRoom({ usesLeft, budgetUsesLeft }: Held): Reason | undefined {
  if (usesLeft !== null && usesLeft < 1) return { code: "user_limit_reached" };
  if (budgetUsesLeft !== null && budgetUsesLeft < 1) return { code: "budget_exhausted" };
  return undefined;
}

/** How many coupons like this one may be used together. */
const roomOf = ({ usesLeft, budgetUsesLeft }: Held): number =>
  Math.min(usesLeft ?? Number.POSITIVE_INFINITY, budgetUsesLeft ?? Number.POSITIVE_INFINITY);

/** Parts coupons into those that there is room for, the first ones of each template, and the others. */
export function withinRoom<Coupon extends { readonly held: Held }>(
  coupons: readonly Coupon[],
): { within: Coupon[]; beyond: Coupon[] } {
  const counts = new Map<number, number>();
  const parts: { within: Coupon[]; beyond: Coupon[] } = { within: [], beyond: [] };
  for (const coupon of coupons) {
    const room = roomOf(coupon.held);
    const count = (counts.get(coupon.held.templateId) ?? 0) + (Number.isFinite(room) ? 1 : 0);
    counts.set(coupon.held.templateId, count);
    (count > room ? parts.beyond : parts.within).push(coupon);
  }
  return parts;
}
