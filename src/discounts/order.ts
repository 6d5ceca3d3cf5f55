// What discounts are computed from: an order, and the coupons somebody holds. All money is a whole number of
// minor units (cents, fen). An order comes to at most `limits.orderAmountMax`, which keeps ten-thousandths of several
// such amounts below 2^53; whoever takes an order in sees to it.

export interface Item {
  /** The shop's own id of the goods. */
  readonly goods: string;
  /** The shop's own id of their category. */
  readonly category: string;
  readonly quantity: number;
  readonly unitPrice: number;
}

export interface Order {
  readonly items: readonly Item[];
  readonly shippingFee: number;
  /** ISO 4217; of every amount in the order. */
  readonly currency: string;
}

/** What a template says about the worth of its coupons and about what they may be used for. */
export interface Terms {
  readonly type: "amount_off" | "percent_off" | "free_shipping";
  /** What amount_off takes off; 0 for the other types. */
  readonly faceValue: number;
  /** What percent_off takes off: 2000 is 20 %, the buyer pays 80 %. Null for the other types. */
  readonly basisPoints: number | null;
  /** The most that percent_off or free_shipping takes off; null is without a cap. */
  readonly discountMax: number | null;
  /** What the eligible items must come to before any discount; 0 is no threshold. */
  readonly minimumSpend: number;
  readonly currency: string;
  /** Both empty: all items. Otherwise an item is eligible that one of the two names. */
  readonly goods: readonly string[];
  readonly categories: readonly string[];
  /** What is excluded is never eligible. */
  readonly excludedGoods: readonly string[];
  readonly excludedCategories: readonly string[];
  readonly stacking: "exclusive" | "group" | "free";
  readonly stackingGroup: string | null;
}

/** A coupon in somebody's hands. Codes are distinct. */
export interface Held {
  readonly code: string;
  readonly templateId: number;
  readonly terms: Terms;
  readonly state: "unused" | "locked" | "used" | "expired";
  /** Until when a lock holds; one that ran out counts as unused. */
  readonly lockedUntil: Date | null;
  /** It is the order itself that has it locked, in a lock that runs: limit and budget have counted it already. */
  readonly lockedByOrder: boolean;
  /** Usable from here (inclusive) and before there; null is without a bound. */
  readonly validFrom: Date | null;
  readonly expiresAt: Date | null;
  /**
   * How many more coupons of this template its limit per user lets this user lock, beside those that are locked or
   * used already; null is any number.
   */
  readonly usesLeft: number | null;
  /** For how many more its budget has room; null is any number. */
  readonly budgetUsesLeft: number | null;
}
