// Looks at each coupon by itself: does it apply to the order, and to which of its items? What applies is put
// into the order of application.

import { mustShareCurrency } from "./currency.ts";
import { eligiblePlaces, mustHaveItems, type Places, placesOf } from "./eligibility.ts";
import type { Held, Item, Order, Terms } from "./order.ts";
import type { Reason, UnappliedCoupon } from "./outcome.ts";
import { explained } from "./sentences.ts";
import { compareApplication, compareText } from "./sequence.ts";
import { mustReachMinimum } from "./threshold.ts";
import { mustHaveRoom } from "./uses.ts";
import { mustBeUsable } from "./validity.ts";
import { worth } from "./worth.ts";

/** What coupons of some terms do to an order that they apply to. */
interface Fit {
  /** The lines that it is for, ascending. */
  readonly places: readonly number[];
  /** What one takes off when it is the only coupon, at least 1. No combination makes it take off more. */
  readonly alone: number;
  /** Alike for coupons that do the same to this order, also of several templates. */
  readonly kind: string;
}

/** A coupon that applies to the order by itself. */
export interface Candidate extends Fit {
  readonly held: Held;
}

export interface Line {
  readonly item: Item;
  /** Where it stands in the order as given. */
  readonly index: number;
  readonly amount: number;
}

export interface Prepared {
  readonly order: Order;
  readonly lines: readonly Line[];
  readonly original: number;
  /** In the order of application. */
  readonly candidates: readonly Candidate[];
  /** By code. */
  readonly unapplied: readonly UnappliedCoupon[];
}

function compareItems(a: Item, b: Item): number {
  return (
    compareText(a.goods, b.goods) ||
    compareText(a.category, b.category) ||
    a.unitPrice - b.unitPrice ||
    a.quantity - b.quantity
  );
}

function kindOf(terms: Terms, places: readonly number[]): string {
  const { type, faceValue, basisPoints, discountMax, stacking, stackingGroup } = terms;
  const hasThreshold = terms.minimumSpend > 0;
  const facts = [type, faceValue, basisPoints, discountMax, hasThreshold, stacking, stackingGroup];
  return JSON.stringify([...facts, type === "free_shipping" ? [] : places]);
}

function fitOf(terms: Terms, order: Order, where: Where): Fit | Reason {
  const foreign = mustShareCurrency(terms, order);
  if (foreign) return foreign;
  const places = eligiblePlaces(terms, where.places);
  const eligible = places.reduce((sum, place) => sum + (where.lines[place]?.amount ?? 0), 0);
  const unfit = mustReachMinimum(terms, eligible) ?? mustHaveItems(terms, places);
  if (unfit) return unfit;
  const alone = worth(terms, eligible, order.shippingFee);
  if (alone === 0) return { code: "nothing_to_discount" };
  return { places, alone, kind: kindOf(terms, places) };
}

interface Where {
  readonly lines: readonly Line[];
  readonly places: Places;
}

/** Sorts the coupons into those that apply by themselves and those that do not, at the instant `now`. */
export function prepare(order: Order, coupons: readonly Held[], now: Date): Prepared {
  const lines = order.items
    .map((item, index) => ({ item, index, amount: item.quantity * item.unitPrice }))
    .sort((a, b) => compareItems(a.item, b.item));
  const where = { lines, places: placesOf(lines.map(({ item }) => item)) };
  // Coupons of one template share its terms, and the lists in these are long.
  const fits = new Map<Terms, Fit | Reason>();
  const fit = (terms: Terms): Fit | Reason => {
    const known = fits.get(terms) ?? fitOf(terms, order, where);
    fits.set(terms, known);
    return known;
  };
  const candidates: Candidate[] = [];
  const unapplied: UnappliedCoupon[] = [];
  for (const held of coupons) {
    const found = mustBeUsable(held, now) ?? mustHaveRoom(held) ?? fit(held.terms);
    if ("places" in found) candidates.push({ held, ...found });
    else unapplied.push({ code: held.code, applied: false, reason: explained(found) });
  }
  return {
    order,
    lines,
    original: lines.reduce((sum, { amount }) => sum + amount, order.shippingFee),
    candidates: candidates.sort((a, b) => compareApplication(a.held, b.held)),
    unapplied: unapplied.sort((a, b) => compareText(a.code, b.code)),
  };
}
