// The combination that takes most off an order. Of combinations that take off the same, the one with fewer coupons
// is better, then the one whose coupons expire first, compared one by one from the first to expire; coupons
// that expire together go by their codes.

import { limits } from "../../limits.ts";
import { compute } from "../calculate.ts";
import { type Candidate, type Prepared, prepare } from "../candidates.ts";
import type { Held, Order } from "../order.ts";
import type { Computed } from "../outcome.ts";
import { compareExpiry } from "../sequence.ts";
import { clash } from "../stacking/rules.ts";
import { withinRoom } from "../uses.ts";
import { Search } from "./search.ts";

export interface Best {
  /** In the order of application; empty when no coupon applies. */
  readonly codes: string[];
  /** False: the search was ended by its bound; there may be something better, or as good with coupons that expire first. */
  readonly exact: boolean;
  readonly calculation: Computed;
}

/** The best candidates of a search, ascending. */
function chosenBy(search: Search, candidates: readonly Candidate[]): readonly number[] {
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
  const places = [...candidates.entries()].sort(([, a], [, b]) => compareExpiry(a.held, b.held));
  let known = first.chosen;
  let kept: number[] = [];
  // Where one of a template is in nothing that is as good, the later ones are not either.
  const passed = new Set<number>();
  for (const [place, { held }] of places) {
    if (kept.length === size || search.isCut) break;
    if (passed.has(held.templateId)) continue;
    const required = [...kept, place].sort((a, b) => a - b);
    const beat = { value: value - 1, size: 0 };
    const found = known.includes(place)
      ? known
      : search.find({ sizeMax: size, required, beat, enough: value })?.chosen;
    if (found) [known, kept] = [found, required];
    else passed.add(held.templateId);
  }
  return known.toSorted((a, b) => a - b);
}

/**
 * Of each template as many as can be used together. Its coupons do the same, and stand side by side in the order of
 * their end, so that the first ones are as good as any.
 */
function worthTrying(all: readonly Candidate[]): Candidate[] {
  const counts = new Map<number, number>();
  return withinRoom(all).within.filter(({ held: { templateId, terms } }) => {
    const count = (counts.get(templateId) ?? 0) + 1;
    counts.set(templateId, count);
    return count <= (clash(terms, terms) ? 1 : limits.couponsPerOrderMax);
  });
}

/** The best combination of coupons that have been looked at already. */
export function bestOf(all: Prepared): Best {
  const prepared = { ...all, candidates: worthTrying(all.candidates) };
  const search = new Search(prepared);
  const chosen = chosenBy(search, prepared.candidates).flatMap(
    (place) => prepared.candidates[place] ?? [],
  );
  return {
    codes: chosen.map(({ held }) => held.code),
    exact: !search.isCut,
    calculation: compute({ ...prepared, unapplied: [] }, chosen),
  };
}

/** The coupons that take most off the order together at the instant `now`, and what they do. */
export const bestCombination = (order: Order, coupons: readonly Held[], now: Date): Best =>
  bestOf(prepare(order, coupons, now));
