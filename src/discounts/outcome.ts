// What a calculation says: amounts that add up, and for each coupon what it did or why it did nothing.

import type { Terms } from "./order.ts";

/** The lists by which a template names items. */
export const SCOPE_LISTS = [
  "goods",
  "categories",
  "excludedGoods",
  "excludedCategories",
] as const satisfies readonly (keyof Terms)[];
export type ScopeList = (typeof SCOPE_LISTS)[number];

/** Which items a coupon is for, as its template names them: the first few of each list; what is empty is left out. */
export type Scope = { readonly [List in ScopeList]?: readonly string[] } & {
  /** How many more a list has, for those that have more. */
  readonly more?: { readonly [List in ScopeList]?: number };
};

/** Why a coupon takes nothing off this order, with what would make it apply. Instants are RFC 3339. */
export type Reason =
  | { readonly code: "unknown_coupon" }
  | { readonly code: "used" }
  | { readonly code: "locked"; readonly until: string | null }
  | { readonly code: "expired"; readonly expiredAt: string | null }
  | { readonly code: "not_yet_valid"; readonly validFrom: string }
  | { readonly code: "user_limit_reached" }
  | { readonly code: "budget_exhausted" }
  | { readonly code: "other_currency"; readonly currency: string }
  | ({ readonly code: "no_eligible_items" } & Scope)
  | ({ readonly code: "spend_more"; readonly amount: number; readonly currency: string } & Scope)
  | { readonly code: "nothing_to_discount" }
  | { readonly code: "nothing_left" };

export const REASONS = [
  "unknown_coupon",
  "used",
  "locked",
  "expired",
  "not_yet_valid",
  "user_limit_reached",
  "budget_exhausted",
  "other_currency",
  "no_eligible_items",
  "spend_more",
  "nothing_to_discount",
  "nothing_left",
] as const satisfies readonly Reason["code"][];

/** A reason, and the same in a sentence. */
export type Explained = Reason & { readonly detail: string };

export interface AppliedCoupon {
  readonly code: string;
  readonly applied: true;
  /** What it takes off, at least 1 minor unit. */
  readonly discount: number;
}

export interface UnappliedCoupon {
  readonly code: string;
  readonly applied: false;
  readonly reason: Explained;
}

export type CouponOutcome = AppliedCoupon | UnappliedCoupon;

export interface Share {
  readonly code: string;
  readonly discount: number;
}

/** One line of the order, in the order's own sequence. */
export interface ItemOutcome {
  readonly goods: string;
  readonly category: string;
  readonly quantity: number;
  readonly unitPrice: number;
  readonly original: number;
  readonly discount: number;
  readonly final: number;
  /** What each coupon takes off this line; coupons that take nothing off it are left out. */
  readonly shares: readonly Share[];
}

export interface Computed {
  readonly kind: "computed";
  readonly currency: string;
  /** All items and the shipping fee. */
  readonly original: number;
  /** All that is taken off, of items and shipping. */
  readonly discount: number;
  /** How much of it is taken off the shipping fee. */
  readonly shippingDiscount: number;
  /** What is to be paid: `original` less `discount`. */
  readonly final: number;
  /** First those that were applied, in that sequence, then the others by code. */
  readonly coupons: readonly CouponOutcome[];
  readonly items: readonly ItemOutcome[];
}

/** What coupons together can break. */
export const RULES = [
  "too_many",
  "exclusive",
  "same_group",
  "one_percent",
  "one_threshold",
  "percent_with_threshold",
  "template_limit",
] as const;
export type RuleName = (typeof RULES)[number];

/** A rule about coupons together that these coupons break. */
export interface Violation {
  readonly rule: RuleName;
  /** The coupons that break it, by code. */
  readonly codes: readonly string[];
  readonly detail: string;
}

/** The coupons cannot be used together; nothing is computed. */
export interface Refused {
  readonly kind: "refused";
  readonly violations: readonly Violation[];
}

export type Calculation = Computed | Refused;
