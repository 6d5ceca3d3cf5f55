// Ways to get discounts nearly right.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const BEST = "src/discounts/best/best.test.ts";
const CALCULATE = "src/discounts/calculate.test.ts";
const WALLET = "test/v1-discounts-wallet.test.ts";

export const discountMutants: readonly Mutant[] = [
  {
    name: "bound-without-required",
    what: "the bound on a branch leaves out what the coupons take off that it must have",
    edits: [
      {
        path: "src/discounts/best/bounds.ts",
        edit: replace("gain + this.#neededGain + this.#gains", "gain + this.#gains"),
      },
    ],
    caughtBy: {
      file: BEST,
      title: "of many that take off everything is made of the coupons that expire first",
    },
    quick: true,
  },
  {
    name: "bound-loses-all",
    what: "the bound on a branch lets a percentage lose by all of an amount, also by what comes from other items",
    edits: [
      {
        path: "src/discounts/best/bounds.ts",
        edit: replace("Math.max(0, gain - outside)", "Math.max(0, gain)"),
      },
    ],
    caughtBy: {
      file: BEST,
      title: "is the one that trying everything finds, for up to 12 coupons",
    },
  },
  {
    name: "only-first-of-kind",
    what: "the search never takes a coupon without those that do the same and stand before it",
    edits: [
      {
        path: "src/discounts/best/search.ts",
        edit: replace("(this.#mates[at] ?? -1) <= last", "(this.#mates[at] ?? -1) < 0"),
      },
    ],
    caughtBy: {
      file: BEST,
      title: "is the one that trying everything finds, for up to 12 coupons",
    },
  },
  {
    name: "sequence-by-worth",
    what: "the amount that is worth more is taken off first, whatever it is for",
    edits: [
      {
        path: "src/discounts/sequence.ts",
        edit: replace(
          "return breadthOf(left) - breadthOf(right) ||",
          "return right.faceValue - left.faceValue ||",
        ),
      },
    ],
    caughtBy: {
      file: CALCULATE,
      title: "two cents more of a face value do not turn the sequence of two coupons round",
    },
  },
  {
    name: "odd-units-to-the-first",
    what: "the units that rounding leaves of a discount go to the first items, whatever they lost",
    edits: [
      {
        path: "src/discounts/shares.ts",
        edit: replace(
          "remainder < least || (remainder === least && equals-- <= 0)",
          "remainder < 0 || missing-- <= 0",
        ),
      },
    ],
    caughtBy: {
      file: "src/discounts/shares.test.ts",
      title: "are the exact part rounded down or up, and up where most was lost",
    },
    quick: true,
  },
  {
    name: "own-lock-without-room",
    what: "what the order has locked is counted against the limit once more",
    edits: [
      {
        path: "src/discounts/uses.ts",
        edit: replace("  if (lockedByOrder) return undefined;\n", ""),
      },
    ],
    caughtBy: {
      file: "test/v1-discounts-order.test.ts",
      title: "coupons that the order has locked leave others no more than the room beside them",
    },
  },
  {
    name: "best-of-any-piles",
    what: "a large wallet is looked at without asking first what may apply",
    edits: [
      {
        path: "src/discounts/piles.ts",
        edit: replace("      desc(seen.mayApply),\n", ""),
      },
    ],
    caughtBy: {
      file: WALLET,
      title: "of more templates than are looked at is looked at where it may apply, and says so",
    },
  },
  {
    name: "unknown-until-recorded",
    what: "a coupon is calculated with only once MySQL has it",
    edits: [
      {
        path: "src/discounts/granted.ts",
        edit: replace("codes.includes(code)", "codes.length === 0"),
      },
    ],
    caughtBy: {
      file: WALLET,
      title: "counts on every process before it is in MySQL, and once afterwards",
    },
  },
];
