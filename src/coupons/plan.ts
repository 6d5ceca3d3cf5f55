// What has to happen to one coupon so that a wish comes true: pure, from one reading of it. The result is a list of
// steps, or the reason why not. Whether the coupon is still as it was read, the steps themselves find out. Where it is
// already as wished it is to be kept so: that is a step too, because with other coupons, which change, it must still
// be as wished when they do.
//
// A wish belongs to an order. Repeated for the same order it changes nothing, so it is safe to repeat whenever an
// answer was lost; that is also why a repeated lock does not begin anew: its end stays.
//
// unlock and revert make sure of something: that the order has no lock on the coupon, that it has not used it. That
// is true already when the order never had it, and they then change nothing. So whoever undoes an order may call
// them without knowing how far the order got.
//
// What a service has locked or used its owner cannot undo: the shop may have taken the order for paid. A service that
// finds its wish fulfilled by the owner confirms it, and from then on it is the service's.

import { mostOff, mostOffAnyOrder } from "./most.ts";
import { type CouponRow, stateOf } from "./row.ts";

/** What a use is told of the order, minor units. */
export interface Amounts {
  /** What the order came to before this coupon, shipping included. */
  readonly original: number;
  /** What the coupon took off. */
  readonly discount: number;
  /** ISO 4217. */
  readonly currency: string;
}

/** What an order wants of a coupon. */
export type Wish =
  /** To take it, for 1 to `couponLockSecondsMax` seconds. */
  | { readonly action: "lock"; readonly ttlSeconds: number }
  /** To have no lock on it. */
  | { readonly action: "unlock" }
  /** To use it, from its lock or straight from unused. */
  | { readonly action: "use"; readonly amounts: Amounts }
  /** Not to have used it. */
  | { readonly action: "revert" };

/** What a step changes of the counters that template_users and templates keep. */
export interface Change {
  readonly held: -1 | 0 | 1;
  /** Minor units of the budget. */
  readonly reserved: number;
  readonly spent: number;
}

export type Step = Change &
  /** keep: it is as wished already. confirm: so, but the owner has it, and from now on the service that asks. */
  (
    | { readonly action: "lapse" | "unlock" | "revert" | "keep" | "confirm" }
    | { readonly action: "lock"; readonly ttlSeconds: number }
    /** `from` is what it must be in; `counted` is what the coupon counts of the budget from then on. */
    | {
        readonly action: "use";
        readonly from: "unused" | "locked";
        readonly amounts: Amounts;
        readonly counted: number;
      }
  );

/** Why one coupon cannot be changed as wished. */
export type Refusal =
  | { readonly kind: "locked"; readonly lockedUntil: Date }
  | { readonly kind: "used" | "used-otherwise" | "held-by-service" }
  | { readonly kind: "expired"; readonly expiresAt: Date | null }
  | { readonly kind: "early"; readonly validFrom: Date }
  | { readonly kind: "currency"; readonly currency: string }
  | { readonly kind: "too-much"; readonly most: number }
  | { readonly kind: "user-limit"; readonly limit: number }
  | { readonly kind: "budget" };

export type Plan =
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const refused = (refusal: Refusal): Plan => ({ kind: "refused", refusal });
const steps = (...all: Step[]): Plan => ({ kind: "steps", steps: all });
const KEPT = steps({ action: "keep", held: 0, reserved: 0, spent: 0 });

/** Gives back what a lock has taken. */
const ended = (row: CouponRow) => ({ held: -1, reserved: -row.reserved, spent: 0 }) as const;
const lapseOf = (row: CouponRow): Step[] =>
  row.stored === "locked" && row.lapsed ? [{ action: "lapse", ...ended(row) }] : [];

/** Why nobody may take it now, if so. */
function notFree(row: CouponRow): Refusal | undefined {
  switch (stateOf(row)) {
    case "used":
      return { kind: "used" };
    case "locked":
      return { kind: "locked", lockedUntil: row.lockedUntil as Date };
    case "expired":
      return { kind: "expired", expiresAt: row.expiresAt };
    case "unused":
      return row.early ? { kind: "early", validFrom: row.validFrom as Date } : undefined;
  }
}

/** The order has the coupon locked or used already. */
const kept = (row: CouponRow, byService: boolean): Plan =>
  byService && !row.byService ? steps({ action: "confirm", held: 0, reserved: 0, spent: 0 }) : KEPT;

/** What the order's own wish is about. */
interface Asked {
  /** Whether the order has the coupon. */
  readonly mine: boolean;
  /** Whether a service asks, and not the owner. */
  readonly byService: boolean;
}

function planLock(row: CouponRow, ttlSeconds: number, { mine, byService }: Asked): Plan {
  if (mine && stateOf(row) === "locked") return kept(row, byService);
  const refusal = notFree(row);
  if (refusal) return refused(refusal);
  const { budget } = row.template;
  const reserved = budget === null ? 0 : mostOffAnyOrder(row.template, budget);
  return steps(...lapseOf(row), { action: "lock", ttlSeconds, held: 1, reserved, spent: 0 });
}

function planUse(row: CouponRow, amounts: Amounts, { mine, byService }: Asked): Plan {
  const state = stateOf(row);
  if (mine && state === "used") {
    const same = row.originalAmount === amounts.original && row.discountAmount === amounts.discount;
    return same ? kept(row, byService) : refused({ kind: "used-otherwise" });
  }
  // A lock that was taken in time lets its order go through, also when the coupon's time is over meanwhile.
  const locked = mine && state === "locked";
  const refusal = locked ? undefined : notFree(row);
  if (refusal) return refused(refusal);
  const { currency, budget } = row.template;
  if (amounts.currency !== currency) return refused({ kind: "currency", currency });
  const most = mostOff(row.template, amounts.original);
  if (amounts.discount > most) return refused({ kind: "too-much", most });
  const spent = budget === null ? 0 : amounts.discount;
  const use = { action: "use", amounts, counted: spent, spent } as const;
  if (locked) return steps({ ...use, from: "locked", held: 0, reserved: -row.reserved });
  return steps(...lapseOf(row), { ...use, from: "unused", held: 1, reserved: 0 });
}

/** What it takes to give the order its wish; `byService` when a service asks for it, and not the owner. */
export function planWish(row: CouponRow, orderSn: string, wish: Wish, byService: boolean): Plan {
  const mine = row.orderSn === orderSn;
  const isAnothers = row.byService && !byService;
  switch (wish.action) {
    case "lock":
      return planLock(row, wish.ttlSeconds, { mine, byService });
    case "use":
      return planUse(row, wish.amounts, { mine, byService });
    case "unlock": {
      if (!mine) return KEPT;
      if (row.stored === "used") return refused({ kind: "used" });
      const lapse = lapseOf(row);
      if (lapse.length > 0) return steps(...lapse);
      if (isAnothers) return refused({ kind: "held-by-service" });
      return steps({ action: "unlock", ...ended(row) });
    }
    case "revert":
      if (!mine || row.stored !== "used") return KEPT;
      if (isAnothers) return refused({ kind: "held-by-service" });
      return steps({ action: "revert", held: -1, reserved: 0, spent: -row.reserved });
  }
}
