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

/** What a coupon takes off now. */
export interface Taking {
  readonly gain: number;
  /** What is left of its items. */
  readonly total: number;
  /** What it adds when what the percentage loses by it is taken off, in ten-thousandths. */
  readonly netScaled: number;
}

interface State {
  /** What is left to pay. */
  readonly items: readonly number[];
  readonly shipping: number;
  /** What the branch takes off so far. */
  readonly taken: number;
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
  readonly #reached: Uint8Array;
  readonly #isInPercentage: Uint8Array;
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
    this.#reached = new Uint8Array(state.items.length);
    this.#isInPercentage = new Uint8Array(state.items.length);
    const { percentage } = state;
    this.#basisPoints = percentage?.held.terms.basisPoints ?? 0;
    if (percentage) {
      for (const place of percentage.places) this.#isInPercentage[place] = 1;
      this.#reach(percentage.places);
    }
    this.#percentWorth = percentage ? worth(percentage.held.terms, this.#itemsReach, 0) : 0;
    this.#percentScaled = this.#itemsReach * this.#basisPoints;
  }

  #reach(places: readonly number[]): void {
    const [reached, { items }] = [this.#reached, this.#state];
    for (const place of places) {
      if (reached[place] === 1) continue;
      reached[place] = 1;
      this.#itemsReach += items[place] ?? 0;
    }
  }

  #netScaled({ held, places }: Candidate, gain: number, total: number): number {
    const whole = gain * WHOLE_BASIS_POINTS;
    if (this.#basisPoints === 0 || held.terms.type === "free_shipping") return whole;
    let shared = 0;
    for (const place of places) {
      if (this.#isInPercentage[place] === 1) shared += this.#state.items[place] ?? 0;
    }
    const outside = total - shared;
    return whole - Math.max(0, gain - outside) * this.#basisPoints;
  }

  /** What a coupon takes off of a total, with what it is for counted to what can be reached. */
  take(candidate: Candidate, gain: number, total: number): Taking {
    const netScaled = this.#netScaled(candidate, gain, total);
    if (candidate.held.terms.type === "free_shipping") {
      this.#shippingReach = Math.min(this.#state.shipping, this.#shippingReach + gain);
    } else {
      this.#reach(candidate.places);
    }
    return { gain, total, netScaled };
  }

  /** A coupon that may be taken behind those that are yet to come. */
  add({ gain, netScaled }: Taking, slot: string | undefined): void {
    this.#gains.add(gain, slot);
    this.#netsScaled.add(netScaled, slot);
  }

  /** A coupon that must be taken behind those that are yet to come. */
  require({ gain, netScaled }: Taking): void {
    this.#neededCount += 1;
    this.#neededGain += gain;
    this.#neededNetScaled += netScaled;
  }

  /** What the branch comes to at most with this coupon, those that it must have, and as many others as `others`. */
  #bound({ gain, netScaled }: Taking, others: number): number {
    if (others < 0) return Number.NEGATIVE_INFINITY;
    const { taken } = this.#state;
    const gains = gain + this.#neededGain + this.#gains.sum(others) + this.#percentWorth;
    const netsScaled =
      netScaled + this.#neededNetScaled + this.#netsScaled.sum(others) + this.#percentScaled;
    const nets = Math.floor(netsScaled / WHOLE_BASIS_POINTS);
    return taken + Math.min(gains, nets, this.#itemsReach + this.#shippingReach);
  }

  /** The bounds with this coupon and those that were added; undefined where the greatest is below `floor`. */
  over(taking: Taking, floor: number): Bounds | undefined {
    const { room } = this.#state;
    const most = this.#bound(taking, room - this.#neededCount);
    if (most < floor) return undefined;
    const bounds: number[] = [];
    for (let more = 0; more < room; more += 1) {
      bounds.push(this.#bound(taking, more - this.#neededCount));
    }
    bounds.push(most);
    return bounds;
  }
}
