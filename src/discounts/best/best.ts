// The combination that takes most off an order. Of combinations that take off the same, the one with fewer coupons
// is better, then the one whose coupons expire first, compared one by one from the first to expire; coupons
// that expire together go by their codes.

import { limits } from "../../limits.ts";
import { compute } from "../calculate.ts";
import { type Prepared, prepare } from "../candidates.ts";
import type { Held, Order } from "../order.ts";
import type { Computed } from "../outcome.ts";
import { compareExpiry } from "../sequence.ts";
import { withinRoom } from "../uses.ts";
import { Search } from "./search.ts";

export interface Best {
  /** In the order of application; empty when no coupon applies. */
  readonly codes: string[];
  readonly calculation: Computed;
}

/** The places of the best candidates, ascending. */
function chosenOf(prepared: Prepared): readonly number[] {
  const search = new Search(prepared);
  const first = search.find({
    sizeMax: limits.couponsPerOrderMax,
    required: [],
    beat: { value: 0, size: 0 },
    enough: Number.POSITIVE_INFINITY,
  });
  if (!first) return [];
  // Now the ties: each coupon in turn, the first to expire first, is kept if some combination that is as good has
  // it together with those that are kept already.
  const { value } = first;
  const size = first.chosen.length;
  const places = [...prepared.candidates.keys()].sort((a, b) => {
    const [one, other] = [prepared.candidates[a], prepared.candidates[b]];
    return one && other ? compareExpiry(one.held, other.held) : 0;
  });
  let known = first.chosen;
  let kept: number[] = [];
  for (const place of places) {
    if (kept.length === size) break;
    const required = [...kept, place].sort((a, b) => a - b);
    const beat = { value: value - 1, size: 0 };
    const found = known.includes(place)
      ? known
      : search.find({ sizeMax: size, required, beat, enough: value })?.chosen;
    if (found) [known, kept] = [found, required];
  }
  return kept;
}

/** The best combination of coupons that have been looked at already. */
export function bestOf(all: Prepared): Best {
  // Coupons of one template do the same, and stand in the order of their end: the first ones are as good as any.
  const prepared = { ...all, candidates: withinRoom(all.candidates).within };
  const chosen = chosenOf(prepared).flatMap((place) => prepared.candidates[place] ?? []);
  return {
    codes: chosen.map(({ held }) => held.code),
    calculation: compute({ ...prepared, unapplied: [] }, chosen),
  };
}

/** The coupons that take most off the order together at the instant `now`, and what they do. */
export const bestCombination = (order: Order, coupons: readonly Held[], now: Date): Best =>
  bestOf(prepare(order, coupons, now));
