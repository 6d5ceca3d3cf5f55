// How many coupons of one template may be used: what its limit per user and its budget still have room for.
// A calculation that left this out would promise what the lock then refuses. What the order itself has locked has its
// room already, and leaves it to no other coupon.

import type { Held } from "./order.ts";
import type { Reason } from "./outcome.ts";

/** There must be room for one more coupon of the template. */
export function mustHaveRoom({
  lockedByOrder,
  usesLeft,
  budgetUsesLeft,
}: Held): Reason | undefined {
  if (lockedByOrder) return undefined;
  if (usesLeft !== null && usesLeft < 1) return { code: "user_limit_reached" };
  if (budgetUsesLeft !== null && budgetUsesLeft < 1) return { code: "budget_exhausted" };
  return undefined;
}

/** How many coupons like this one may be used together, beside those that the order has locked. */
const roomOf = ({ usesLeft, budgetUsesLeft }: Held): number =>
  Math.min(usesLeft ?? Number.POSITIVE_INFINITY, budgetUsesLeft ?? Number.POSITIVE_INFINITY);

/** Parts coupons into those that there is room for, the first ones of each template, and the others. */
export function withinRoom<Coupon extends { readonly held: Held }>(
  coupons: readonly Coupon[],
): { within: Coupon[]; beyond: Coupon[] } {
  const counts = new Map<number, number>();
  const parts: { within: Coupon[]; beyond: Coupon[] } = { within: [], beyond: [] };
  for (const coupon of coupons) {
    const { templateId, lockedByOrder } = coupon.held;
    const count = (counts.get(templateId) ?? 0) + (lockedByOrder ? 0 : 1);
    counts.set(templateId, count);
    const fits = lockedByOrder || count <= roomOf(coupon.held);
    (fits ? parts.within : parts.beyond).push(coupon);
  }
  return parts;
}
