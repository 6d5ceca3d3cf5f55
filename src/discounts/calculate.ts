// Computes what coupons take off an order, in the fixed order: amount_off, then percent_off of what remains of
// its items, then free_shipping. What one coupon takes is spread over its items before the next one looks at them.

import { type Candidate, type Line, type Prepared, prepare } from "./candidates.ts";
import type { Held, Order } from "./order.ts";
import type {
  AppliedCoupon,
  Calculation,
  Computed,
  ItemOutcome,
  Share,
  UnappliedCoupon,
} from "./outcome.ts";
import { explained } from "./sentences.ts";
import { split } from "./shares.ts";
import { violations } from "./stacking/rules.ts";
import { worth } from "./worth.ts";

/** What is left to pay while coupons are applied one after the other. */
interface Left {
  readonly items: number[];
  readonly shares: Share[][];
  shipping: number;
}

/** Applies one coupon to what is left; returns what it takes off. */
function apply({ held, places }: Candidate, left: Left): number {
  const { code, terms } = held;
  const total = places.reduce((sum, place) => sum + (left.items[place] ?? 0), 0);
  const discount = worth(terms, total, left.shipping);
  if (terms.type === "free_shipping") {
    left.shipping -= discount;
    return discount;
  }
  const parts = split(discount, total, left.items, places);
  for (const [i, place] of places.entries()) {
    const part = parts[i] ?? 0;
    if (part === 0) continue;
    left.items[place] = (left.items[place] ?? 0) - part;
    left.shares[place]?.push({ code, discount: part });
  }
  return discount;
}

function outcomeOf({ item, amount }: Line, final: number, shares: readonly Share[]): ItemOutcome {
  const { goods, category, quantity, unitPrice } = item;
  const discount = amount - final;
  return { goods, category, quantity, unitPrice, original: amount, discount, final, shares };
}

/** Applies candidates that may be used together, given in the order of application. */
export function compute(
  { order, lines, original, unapplied }: Prepared,
  candidates: readonly Candidate[],
): Computed {
  const left: Left = {
    items: lines.map(({ amount }) => amount),
    shares: lines.map(() => []),
    shipping: order.shippingFee,
  };
  const applied: AppliedCoupon[] = [];
  const idle: UnappliedCoupon[] = [];
  for (const candidate of candidates) {
    const { code } = candidate.held;
    const discount = apply(candidate, left);
    if (discount > 0) applied.push({ code, applied: true, discount });
    else idle.push({ code, applied: false, reason: explained({ code: "nothing_left" }) });
  }
  const items: ItemOutcome[] = [];
  for (const [place, line] of lines.entries()) {
    items[line.index] = outcomeOf(line, left.items[place] ?? 0, left.shares[place] ?? []);
  }
  const final = left.items.reduce((sum, amount) => sum + amount, left.shipping);
  return {
    kind: "computed",
    currency: order.currency,
    original,
    discount: original - final,
    shippingDiscount: order.shippingFee - left.shipping,
    final,
    coupons: [...applied, ...[...idle, ...unapplied].sort((a, b) => (a.code < b.code ? -1 : 1))],
    items,
  };
}

/**
 * What these coupons take off the order at the instant `now`. A coupon that does not apply by itself is passed over
 * and says why; coupons that apply but may not be used together are refused, all of them.
 */
export function calculate(order: Order, coupons: readonly Held[], now: Date): Calculation {
  const prepared = prepare(order, coupons, now);
  const broken = violations(prepared.candidates);
  if (broken.length > 0) return { kind: "refused", violations: broken };
  return compute(prepared, prepared.candidates);
}
