// Branch and bound over combinations of candidates: exact, and mostly quick. It runs on the thread that answers
// requests, and anybody may hold coupons that are hard to tell apart; so it counts the items that it looks at, and
// where these are too many it ends with the best that it has found so far.
//
// First the percentage is chosen, or none; then amounts and shipping are added in the order of application, so that
// each prefix is computed once. The less is left of its items, the less a coupon takes off; so what each
// would take off now bounds what it can take off further down, and the greatest of these, as many as may still
// be added, bound the whole branch (bounds.ts). Two more cuts cost nothing of the optimum: a coupon is not tried
// next where one that does the same to this order could be instead and stands before it, with all the more behind it;
// and one that takes off nothing now is not tried.

import { limits } from "../../limits.ts";
import type { Candidate, Prepared } from "../candidates.ts";
import { split } from "../shares.ts";
import { clash, slotOf } from "../stacking/rules.ts";
import { worth } from "../worth.ts";
import { type Bounds, Ceiling, type Taking } from "./bounds.ts";

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

interface Branch {
  readonly chosen: readonly number[];
  /** The amounts and shippings that may still be added, in the order of application. */
  readonly open: readonly number[];
  /** What is left to pay. */
  readonly items: readonly number[];
  readonly shipping: number;
  /** What amounts and shipping take off so far. */
  readonly taken: number;
  /** The last amount or shipping that was added, -1 at first. */
  readonly last: number;
}

/** A candidate that a branch can be extended by. */
interface Step extends Taking {
  readonly at: number;
  readonly bounds: Bounds;
}

/** What looking at a candidate costs beside looking at its items, in items. */
const LOOK_ITEMS = 10;

/** What splitting a discount costs for each of its items, in items looked at. */
const SPLIT_FACTOR = 8;

/** What a step comes to at most, with all that may follow. */
const mostOf = ({ bounds }: Step): number => bounds.at(-1) ?? 0;

const sumOf = (amounts: readonly number[], places: readonly number[]): number => {
  let sum = 0;
  for (const place of places) sum += amounts[place] ?? 0;
  return sum;
};

/** Finds combinations among the candidates of one order; may be asked again and again. */
export class Search {
  readonly #all: readonly Candidate[];
  readonly #items: readonly number[];
  readonly #shipping: number;
  readonly #clashes: readonly (readonly boolean[])[];
  readonly #slots: readonly (string | undefined)[];
  /** The nearest candidate of the same kind that stands before, -1 for the first of a kind. */
  readonly #mates: readonly number[];
  /** The percentages that may be chosen, then none. */
  readonly #percentages: readonly (number | undefined)[];
  #itemsLeft: number = limits.discountSearchItemsMax;

  constructor({ candidates, lines, order }: Prepared) {
    this.#all = candidates;
    this.#items = lines.map(({ amount }) => amount);
    this.#shipping = order.shippingFee;
    // Coupons of one template share its terms.
    const terms = new Set(candidates.map(({ held }) => held.terms));
    const clashing = new Map(
      [...terms].map((one) => [one, new Set([...terms].filter((other) => clash(one, other)))]),
    );
    this.#clashes = candidates.map(({ held }) => {
      const others = clashing.get(held.terms);
      return candidates.map((other) => others?.has(other.held.terms) ?? false);
    });
    this.#slots = candidates.map(({ held }) => slotOf(held.terms));
    const seen = new Map<string, number>();
    this.#mates = candidates.map(({ kind }, at) => {
      const mate = seen.get(kind) ?? -1;
      seen.set(kind, at);
      return mate;
    });
    const percentages = [...candidates.keys()].filter((at) => this.#isPercent(at));
    this.#percentages = [...percentages.filter((at) => this.#mates[at] === -1), undefined];
  }

  /** Whether a search was ended by the bound on all of them together, and so may have missed something. */
  get isCut(): boolean {
    return this.#itemsLeft < 0;
  }

  /** The combination that takes most off with the fewest coupons, or undefined when none reaches the goal. */
  find({ sizeMax, required, beat, enough }: Goal): Combination | undefined {
    let found: Combination | undefined;
    let { value: bestValue, size: bestSize } = beat;

    /** Whether `size` coupons and up to as many more as there are bounds may be better. */
    const mayImprove = (step: Step, size: number): boolean => {
      const most = mostOf(step);
      if (most !== bestValue) return most > bestValue;
      return (step.bounds[bestSize - 1 - size] ?? -1) === bestValue;
    };
    const offer = (chosen: readonly number[], value: number): void => {
      const isBetter = value > bestValue || (value === bestValue && chosen.length < bestSize);
      if (!isBetter || !required.every((at) => chosen.includes(at))) return;
      [found, bestValue, bestSize] = [{ chosen, value }, value, chosen.length];
    };
    const extend = (branch: Branch, percent: number | undefined, widthMax: number): void => {
      const size = branch.chosen.length + 1;
      const missing = required.filter((at) => at > branch.last && at !== percent);
      const steps = this.#stepsFrom(branch, percent, sizeMax - size, missing, bestValue);
      for (const step of steps.slice(0, widthMax)) {
        if (bestValue >= enough || this.isCut) return;
        if (!mayImprove(step, size)) continue;
        // Nothing follows the last one, so what is left behind it is of interest to the percentage only.
        if (size === sizeMax && percent === undefined) {
          offer([...branch.chosen, step.at], branch.taken + step.gain);
          continue;
        }
        const next = this.#after(branch, step);
        offer(next.chosen, next.taken + this.#percentOf(percent, next.items));
        if (size < sizeMax && mayImprove(step, size)) extend(next, percent, widthMax);
      }
    };
    const [wanted] = required.filter((at) => this.#isPercent(at));
    // First straight down to something good, so that the bounds cut off much from the beginning. Where something is
    // required, the goal says what is good.
    const all = Number.POSITIVE_INFINITY;
    for (const widthMax of required.length > 0 ? [all] : [1, all]) {
      for (const percent of this.#percentages) {
        if (wanted !== undefined && percent !== wanted) continue;
        if (percent !== undefined) offer([percent], this.#percentOf(percent, this.#items));
        const branch = this.#branchOf(percent);
        if (sizeMax > branch.chosen.length) extend(branch, percent, widthMax);
      }
    }
    return found;
  }

  #isPercent(at: number): boolean {
    return this.#all[at]?.held.terms.type === "percent_off";
  }

  /** What may follow of these when one more is chosen. */
  #openBehind(open: readonly number[], chosen: number): number[] {
    const clashes = this.#clashes[chosen];
    return open.filter((at) => clashes?.[at] === false);
  }

  #percentOf(percent: number | undefined, items: readonly number[]): number {
    const candidate = percent === undefined ? undefined : this.#all[percent];
    return candidate ? worth(candidate.held.terms, sumOf(items, candidate.places), 0) : 0;
  }

  /** With the percentage alone, or with nothing. */
  #branchOf(percent: number | undefined): Branch {
    const start = { items: this.#items, shipping: this.#shipping, taken: 0, last: -1 };
    const open = [...this.#all.keys()].filter((at) => !this.#isPercent(at));
    if (percent === undefined) return { ...start, chosen: [], open };
    return { ...start, chosen: [percent], open: this.#openBehind(open, percent) };
  }

  /**
   * The amounts and shippings that could be next and come to `floor` or more with what follows, the most promising
   * first. `missing` is what has to follow.
   */
  #stepsFrom(
    { open, taken, last, items, shipping }: Branch,
    percent: number | undefined,
    room: number,
    missing: readonly number[],
    floor: number,
  ): Step[] {
    // What is required cannot be passed over: nothing behind it is followed by it.
    const until = missing[0] ?? this.#all.length;
    const percentage = percent === undefined ? undefined : this.#all[percent];
    const ceiling = new Ceiling({ items, shipping, taken, room, percentage });
    const steps: Step[] = [];
    let behind = 0;
    for (let i = open.length - 1; i >= 0 && !this.isCut; i -= 1) {
      const at = open[i] ?? -1;
      const candidate = this.#all[at];
      if (!candidate) continue;
      this.#itemsLeft -= LOOK_ITEMS + candidate.places.length;
      const total = sumOf(items, candidate.places);
      const gain = worth(candidate.held.terms, total, shipping);
      if (gain === 0) continue;
      const taking = ceiling.take(candidate, gain, total);
      const isRequired = missing.includes(at);
      if (isRequired) behind += 1;
      // All that has to follow must be there: what takes off nothing by now is not.
      const isComplete = at <= until && behind === missing.length;
      if (isComplete && (isRequired || (this.#mates[at] ?? -1) <= last)) {
        const bounds = ceiling.over(taking, floor);
        if (bounds) steps.push({ at, ...taking, bounds });
      }
      if (isRequired) ceiling.require(taking);
      else if (candidate.held.terms.stacking !== "exclusive") ceiling.add(taking, this.#slots[at]);
    }
    return steps.sort((a, b) => mostOf(b) - mostOf(a) || b.netScaled - a.netScaled);
  }

  /** The branch with one more coupon, which has taken its gain. */
  #after({ chosen, open, taken, items, shipping }: Branch, { at, gain, total }: Step): Branch {
    const candidate = this.#all[at];
    const next = {
      ...{ chosen: [...chosen, at], taken: taken + gain, last: at, items, shipping },
      open: this.#openBehind(open.slice(open.indexOf(at) + 1), at),
    };
    if (!candidate) return next;
    if (candidate.held.terms.type === "free_shipping") {
      return { ...next, shipping: shipping - gain };
    }
    const left = items.slice();
    const { places } = candidate;
    this.#itemsLeft -= SPLIT_FACTOR * places.length;
    const parts = split(gain, total, items, places);
    for (let i = 0; i < places.length; i += 1) {
      const place = places[i] ?? 0;
      left[place] = (left[place] ?? 0) - (parts[i] ?? 0);
    }
    return { ...next, items: left };
  }
}
