// How much a branch of the search can come to at most. Three bounds, of which the least counts:
//
// - what each coupon would take off now, and the percentage as if no more amounts were taken off before it;
// - the same, less what the percentage loses by each amount: an amount that must be taken from the percentage's
//   items lowers what is left for it. This one leaves the percentage's cap aside;
// - all that is left of what these coupons are for.
//
// They hold because what is left only gets less, and with it what a coupon takes off; and because an amount less
// its loss gets less with the amount, a percentage being at most the whole.

import type { Candidate } from "../candidates.ts";
import { WHOLE_BASIS_POINTS } from "../percent-off.ts";
import { worth } from "../worth.ts";
import { Greatest } from "./greatest.ts";

/** By number: what a combination comes to at most with so many more coupons; minus infinity for never. */
export type Bounds = readonly number[];

/** What a coupon takes off now, and of how much. */
interface Taking {
  readonly gain: number;
  readonly total: number;
}

interface State {
  /** What is left to pay. */
  readonly items: readonly number[];
  readonly shipping: number;
  /** How many more coupons there may be behind the next. */
  readonly room: number;
  readonly percentage: Candidate | undefined;
}

/** Collects the coupons that a branch may still take, from the last to the first. */
export class Ceiling {
  readonly #state: State;
  readonly #gains: Greatest;
  /** In ten-thousandths, like all that ends in `Scaled`: whole numbers, so that bounds are exact. */
  readonly #netsScaled: Greatest;
  readonly #reached: boolean[] = [];
  readonly #isInPercentage: boolean[] = [];
  #itemsReach = 0;
  #shippingReach = 0;
  #neededCount = 0;
  #neededGain = 0;
  #neededNetScaled = 0;
  readonly #percentWorth: number;
  readonly #percentScaled: number;
  readonly #basisPoints: number;

  constructor(state: State) {
    this.#state = state;
    this.#gains = new Greatest(state.room);
    this.#netsScaled = new Greatest(state.room);
    const { percentage } = state;
    this.#basisPoints = percentage?.held.terms.basisPoints ?? 0;
    if (percentage) {
      for (const place of percentage.places) this.#isInPercentage[place] = true;
      this.#reach(percentage.places);
    }
    this.#percentWorth = percentage ? worth(percentage.held.terms, this.#itemsReach, 0) : 0;
    this.#percentScaled = this.#itemsReach * this.#basisPoints;
  }

  #reach(places: readonly number[]): void {
    for (const place of places) {
      if (this.#reached[place]) continue;
      this.#reached[place] = true;
      this.#itemsReach += this.#state.items[place] ?? 0;
    }
  }

  /** What a coupon adds when what the percentage loses by it is taken off. */
  #netScaled({ held, places }: Candidate, gain: number, total: number): number {
    const whole = gain * WHOLE_BASIS_POINTS;
    if (this.#basisPoints === 0 || held.terms.type === "free_shipping") return whole;
    let shared = 0;
    for (const place of places) {
      if (this.#isInPercentage[place]) shared += this.#state.items[place] ?? 0;
    }
    const outside = total - shared;
    return whole - Math.max(0, gain - outside) * this.#basisPoints;
  }

  /** Counts what a coupon is for to what can be reached; before it is asked for its bounds or added. */
  cover({ held, places }: Candidate, gain: number): void {
    if (held.terms.type === "free_shipping") {
      this.#shippingReach = Math.min(this.#state.shipping, this.#shippingReach + gain);
    } else {
      this.#reach(places);
    }
  }

  /** A coupon that may be taken behind those that are yet to come, and must be where it is required. */
  add(
    candidate: Candidate,
    { gain, total }: Taking,
    isRequired: boolean,
    slot: string | undefined,
  ): void {
    const net = this.#netScaled(candidate, gain, total);
    if (isRequired) {
      this.#neededCount += 1;
      this.#neededGain += gain;
      this.#neededNetScaled += net;
    } else if (candidate.held.terms.stacking !== "exclusive") {
      this.#gains.add(gain, slot);
      this.#netsScaled.add(net, slot);
    }
  }

  /** What a branch that has `taken` so much comes to at most with this coupon and those that were added. */
  over(taken: number, candidate: Candidate, { gain, total }: Taking): Bounds {
    const reach = taken + this.#itemsReach + this.#shippingReach;
    const gains = taken + gain + this.#neededGain + this.#percentWorth;
    const netsScaled =
      taken * WHOLE_BASIS_POINTS +
      this.#netScaled(candidate, gain, total) +
      this.#neededNetScaled +
      this.#percentScaled;
    const bounds: number[] = [];
    for (let more = 0; more <= this.#state.room; more += 1) {
      const others = more - this.#neededCount;
      const byGains = gains + this.#gains.sum(others);
      const byNets = Math.floor((netsScaled + this.#netsScaled.sum(others)) / WHOLE_BASIS_POINTS);
      bounds.push(others < 0 ? Number.NEGATIVE_INFINITY : Math.min(byGains, byNets, reach));
    }
    return bounds;
  }
}
