// How fast a sale goes: grants per second over the last `saleRateSeconds`, from what was counted while it was watched.

import { limits } from "../limits.ts";

const WINDOW_MS = limits.saleRateSeconds * 1_000;
/** A shorter time than this says nothing of a second. */
const LEAST_MS = 1_000;

export class GrantRate {
  /** From the last one before the window on. */
  #samples: { readonly at: number; readonly granted: number }[] = [];

  /** Takes what was granted at a time, in milliseconds; gives grants per second in tenths. */
  add(at: number, granted: number): number {
    const newest = this.#samples.at(-1);
    // A clock or a counter that went back, as after a recovery: what came before does not count.
    if (newest && (at < newest.at || granted < newest.granted)) this.#samples = [];
    this.#samples.push({ at, granted });
    const inWindow = this.#samples.findIndex((sample) => sample.at > at - WINDOW_MS);
    if (inWindow > 1) this.#samples.splice(0, inWindow - 1);
    const [first] = this.#samples;
    if (!first) return 0;
    const seconds = Math.max(LEAST_MS, at - first.at) / 1_000;
    return Math.round(((granted - first.granted) / seconds) * 10) / 10;
  }
}
