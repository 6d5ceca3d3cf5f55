// Ways to break what keeps a coupon to one order, and limits and budgets to their bounds.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const RACES = "test/coupon-races.test.ts";
const LISTS = "test/coupon-lists.test.ts";
const TOGETHER = "test/coupon-together.test.ts";
const COUNTERS = "test/coupon-counters.test.ts";

export const couponMutants: readonly Mutant[] = [
  {
    name: "lock-any-state",
    what: "a lock or a use takes a coupon whatever state it is in by then",
    edits: [
      {
        path: "src/coupons/steps.ts",
        edit: replace('[isState("unused"), sql`NOT', "[sql`NOT"),
      },
    ],
    caughtBy: { file: RACES, title: "of 200 orders that lock one coupon one gets it" },
    quick: true,
  },
  {
    name: "lapse-forgotten",
    what: "a lock that ran out is still a lock",
    edits: [
      {
        path: "src/coupons/row.ts",
        edit: replace('if (stored === "locked" && !lapsed)', 'if (stored === "locked")'),
      },
    ],
    caughtBy: {
      file: "test/coupons.test.ts",
      title: "whose lock ran out is free for anybody, and the history says so",
    },
  },
  {
    name: "lapse-without-clock",
    what: "a lock is freed that still runs",
    edits: [
      {
        path: "src/coupons/lapse.ts",
        edit: replace("} <= UTC_TIMESTAMP(3)`", "} IS NOT NULL`"),
      },
    ],
    caughtBy: { file: COUNTERS, title: "leaves alone what runs" },
  },
  {
    name: "budget-kept-on-lapse",
    what: "the end of a lock does not give back what it held of the budget",
    edits: [
      {
        path: "src/coupons/lapse.ts",
        edit: replace("reserved: -row.reserved, spent: 0", "reserved: 0, spent: 0"),
      },
    ],
    caughtBy: {
      file: COUNTERS,
      title:
        "writes down locks that ran out and coupons whose time is over, and frees what they held",
    },
  },
  {
    name: "limit-without-condition",
    what: "the limit of a user does not bound what is counted",
    edits: [
      {
        path: "src/coupons/counters.ts",
        edit: replace("held > 0 && userLimit !== null ? room", "held < 0 ? room"),
      },
    ],
    caughtBy: {
      file: RACES,
      title: "100 locks at once never exceed the limit of a user or a budget, and reach it",
    },
  },
  {
    name: "budget-without-condition",
    what: "a lock takes of a budget what it does not have",
    edits: [
      {
        path: "src/coupons/counters.ts",
        edit: replace("growth > 0 ? room", "growth < 0 ? room"),
      },
    ],
    caughtBy: {
      file: RACES,
      title: "100 locks at once never exceed the limit of a user or a budget, and reach it",
    },
  },
  {
    name: "undo-by-owner",
    what: "an owner gives back what a service has used",
    edits: [
      {
        path: "src/coupons/plan.ts",
        edit: replace("row.byService && !byService", "false"),
      },
      {
        path: "src/coupons/steps.ts",
        edit: replace(
          "byService ? [] : [eq(coupons.byService, false)]",
          "byService ? [] : [isState(row.stored)]",
        ),
      },
    ],
    caughtBy: {
      file: "test/coupons.test.ts",
      title:
        "locked or used its owner cannot undo, also by using the service's lock first; the service can",
    },
  },
  {
    name: "give-back-as-read",
    what: "what was read of a use is given back, whichever use there is by then",
    edits: [
      {
        path: "src/coupons/steps.ts",
        edit: replace(
          "  isStill(coupons.usedAt, usedAt),\n  eq(coupons.reserved, reserved),\n",
          "",
        ),
      },
    ],
    caughtBy: {
      file: RACES,
      title: "a revert that has waited gives back what the order has now, not what it had before",
    },
  },
  {
    name: "half-a-list",
    what: "a list of coupons keeps what it got before one was refused",
    edits: [
      {
        path: "src/coupons/service.ts",
        edit: replace('keep: result.kind === "done"', "keep: true"),
      },
    ],
    caughtBy: {
      file: LISTS,
      title:
        "lists that overlap, in any order, leave each coupon with one order and none half taken",
    },
  },
  {
    name: "kept-unlocked",
    what: "a coupon of a list that is as wished already may change while the others do",
    edits: [
      {
        path: "src/coupons/steps.ts",
        edit: replace("demands: inStateAsRead(row), set: { state", "demands: [], set: { state"),
      },
    ],
    caughtBy: { file: LISTS, title: "is locked whole, also when that one is given back meanwhile" },
  },
  {
    name: "order-unheld",
    what: "two that take coupons for one order at once do not see each other's",
    edits: [
      {
        path: "src/coupons/hold.ts",
        edit: replace('\n    .for("update")', ""),
      },
    ],
    caughtBy: {
      file: TOGETHER,
      title: "of ten coupons that an order takes at once on two processes it gets five",
    },
  },
];
