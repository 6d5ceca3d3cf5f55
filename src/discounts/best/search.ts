// Branch and bound over combinations of candidates: exact, and mostly quick.
//
// First the percentage is chosen, or none; then amounts and shipping are added in the order of application, so that
// each prefix is computed once. The less is left of its items, the less a coupon takes off; so what each
// would take off now bounds what it can take off further down, and the greatest of these, as many as may still
// be added, bound the whole branch (bounds.ts). Two more cuts cost nothing of the optimum: a coupon is not tried
// next where one that does the same to this order could be instead and stands before it, with all the more behind it;
// and one that takes off nothing now is not tried.

import type { Candidate, Prepared } from "../candidates.ts";
import { split } from "../shares.ts";
import { clash, slotOf } from "../stacking/rules.ts";
import { worth } from "../worth.ts";
import { type Bounds, Ceiling } from "./bounds.ts";

/** Some of the candidates, and what they take off together. */
export interface Combination {
  /** Places among the candidates. */
  readonly chosen: readonly number[];
  readonly value: number;
}

export interface Goal {
  /** At most so many coupons. */
  readonly sizeMax: number;
  /** What every combination has to have; ascending. */
  readonly required: readonly number[];
  /** Only what takes off more than this, or the same with fewer coupons, is of interest. */
  readonly beat: { readonly value: number; readonly size: number };
  /** The search ends with the first combination that takes off so much. */
  readonly enough: number;
}

interface Left {
  readonly items: readonly number[];
  readonly shipping: number;
}

interface Branch extends Left {
  readonly chosen: readonly number[];
  /** What amounts and shipping take off so far. */
  readonly taken: number;
  /** The last amount or shipping that was added, -1 at first. */
  readonly last: number;
}

/** A candidate that a branch can be extended by. */
interface Step {
  readonly at: number;
  /** What it takes off. */
  readonly gain: number;
  /** What is left of its items. */
  readonly total: number;
  readonly bounds: Bounds;
}

const sumOf = (amounts: readonly number[], places: readonly number[]): number => {
  let sum = 0;
  for (const place of places) sum += amounts[place] ?? 0;
  return sum;
};

/** Finds combinations among the candidates of one order; may be asked again and again. */
export class Search {
  readonly #all: readonly Candidate[];
  readonly #start: Branch;
  readonly #clashes: readonly (readonly boolean[])[];
  readonly #slots: readonly (string | undefined)[];
  /** The nearest candidate of the same kind that stands before, -1 for the first of a kind. */
  readonly #mates: readonly number[];
  /** The percentages that may be chosen, then none. */
  readonly #percentages: readonly (number | undefined)[];

  constructor({ candidates, lines, order }: Prepared) {
    this.#all = candidates;
    this.#clashes = candidates.map((one) =>
      candidates.map((other) => clash(one.held.terms, other.held.terms)),
    );
    this.#slots = candidates.map(({ held }) => slotOf(held.terms));
    const seen = new Map<string, number>();
    this.#mates = candidates.map(({ kind }, at) => {
      const mate = seen.get(kind) ?? -1;
      seen.set(kind, at);
      return mate;
    });
    const items = lines.map(({ amount }) => amount);
    this.#start = { chosen: [], taken: 0, last: -1, items, shipping: order.shippingFee };
    const percentages = [...candidates.keys()].filter((at) => this.#isPercent(at));
    this.#percentages = [...percentages.filter((at) => this.#mates[at] === -1), undefined];
  }

  /** The combination that takes most off with the fewest coupons, or undefined when none reaches the goal. */
  find({ sizeMax, required, beat, enough }: Goal): Combination | undefined {
    let found: Combination | undefined;
    let { value: bestValue, size: bestSize } = beat;

    /** Whether `size` coupons and up to as many more as there are bounds may be better. */
    const mayImprove = (bounds: Bounds, size: number): boolean => {
      const most = bounds.at(-1) ?? 0;
      if (most !== bestValue) return most > bestValue;
      return (bounds[bestSize - 1 - size] ?? -1) === bestValue;
    };
    const offer = (chosen: readonly number[], value: number): void => {
      const isBetter = value > bestValue || (value === bestValue && chosen.length < bestSize);
      if (!isBetter || !required.every((at) => chosen.includes(at))) return;
      [found, bestValue, bestSize] = [{ chosen, value }, value, chosen.length];
    };
    const extend = (branch: Branch, percent: number | undefined): void => {
      const size = branch.chosen.length + 1;
      for (const step of this.#stepsFrom(branch, percent, sizeMax - size, required)) {
        if (bestValue >= enough) return;
        if (!mayImprove(step.bounds, size)) continue;
        const next = this.#after(branch, step);
        offer(next.chosen, next.taken + this.#percentOf(percent, next.items));
        if (size < sizeMax && mayImprove(step.bounds, size)) extend(next, percent);
      }
    };
    const [wanted] = required.filter((at) => this.#isPercent(at));
    for (const percent of this.#percentages) {
      if (wanted !== undefined && percent !== wanted) continue;
      const chosen = percent === undefined ? [] : [percent];
      if (percent !== undefined) offer(chosen, this.#percentOf(percent, this.#start.items));
      if (sizeMax > chosen.length) extend({ ...this.#start, chosen }, percent);
    }
    return found;
  }

  #isPercent(at: number): boolean {
    return this.#all[at]?.held.terms.type === "percent_off";
  }

  #percentOf(percent: number | undefined, items: readonly number[]): number {
    const candidate = percent === undefined ? undefined : this.#all[percent];
    return candidate ? worth(candidate.held.terms, sumOf(items, candidate.places), 0) : 0;
  }

  /** The amounts and shippings that could be next, those that take off most first. */
  #stepsFrom(
    { chosen, taken, last, items, shipping }: Branch,
    percent: number | undefined,
    room: number,
    required: readonly number[],
  ): Step[] {
    const others = required.filter((at) => at > last && at !== percent);
    // What is required cannot be passed over: nothing behind it is followed by it.
    const until = others[0] ?? this.#all.length - 1;
    const percentage = percent === undefined ? undefined : this.#all[percent];
    const ceiling = new Ceiling({ items, shipping, room, percentage });
    const steps: Step[] = [];
    let missing = others.length;
    for (let at = this.#all.length - 1; at > last; at -= 1) {
      const candidate = this.#all[at];
      if (!candidate || this.#isPercent(at) || chosen.some((one) => this.#clashes[one]?.[at])) {
        continue;
      }
      const total = sumOf(items, candidate.places);
      const gain = worth(candidate.held.terms, total, shipping);
      if (gain === 0) continue;
      const taking = { gain, total };
      const isRequired = others.includes(at);
      if (isRequired) missing -= 1;
      const hasRequired = missing === others.filter((one) => one < at).length;
      ceiling.cover(candidate, gain);
      if (hasRequired && at <= until && (isRequired || (this.#mates[at] ?? -1) <= last)) {
        steps.push({ at, ...taking, bounds: ceiling.over(taken, candidate, taking) });
      }
      ceiling.add(candidate, taking, isRequired, this.#slots[at]);
    }
    return steps.sort((a, b) => b.gain - a.gain);
  }

  /** The branch with one more coupon, which has taken its gain. */
  #after({ chosen, taken, items, shipping }: Branch, { at, gain, total }: Step): Branch {
    const candidate = this.#all[at];
    const branch = { chosen: [...chosen, at], taken: taken + gain, last: at, items, shipping };
    if (!candidate) return branch;
    if (candidate.held.terms.type === "free_shipping") {
      return { ...branch, shipping: shipping - gain };
    }
    const left = [...items];
    const parts = split(gain, total, items, candidate.places);
    for (const [i, place] of candidate.places.entries()) {
      left[place] = (left[place] ?? 0) - (parts[i] ?? 0);
    }
    return { ...branch, items: left };
  }
}
