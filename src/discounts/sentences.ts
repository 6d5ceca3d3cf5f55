// The reasons in plain English, for people; programs read the fields.

import type { Explained, Reason, Scope, ScopeList } from "./outcome.ts";

/** How many names a sentence lists before it only says how many more there are. */
const NAMES_TOLD = 3;

const decimals = new Map<string, number>();

/** Digits behind the point, by ISO 4217; 2 for what is no currency. */
function decimalsOf(currency: string): number {
  const known = decimals.get(currency);
  if (known !== undefined) return known;
  if (!Intl.supportedValuesOf("currency").includes(currency)) return 2;
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  decimals.set(currency, digits);
  return digits;
}

/** 320 CNY in minor units is "3.20 CNY", 320 JPY is "320 JPY". Exact: no division of floating point. */
function money(amount: number, currency: string): string {
  const digits = decimalsOf(currency);
  const text = String(amount).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  return `${digits === 0 ? whole : `${whole}.${text.slice(-digits)}`} ${currency}`;
}

function named(noun: string, scope: Scope, list: ScopeList): string[] {
  const ids = scope[list];
  if (!ids) return [];
  const told = ids.slice(0, NAMES_TOLD).join(", ");
  const more = ids.length + (scope.more?.[list] ?? 0) - NAMES_TOLD;
  return [more > 0 ? `${noun} ${told} and ${more} more` : `${noun} ${told}`];
}

/** "category 7", "goods 1, 2 or category 7, but not goods 3", "any item". */
function items(scope: Scope): string {
  const wanted = [...named("goods", scope, "goods"), ...named("category", scope, "categories")];
  const unwanted = [
    ...named("goods", scope, "excludedGoods"),
    ...named("category", scope, "excludedCategories"),
  ];
  const is = wanted.length > 0 ? wanted.join(" or ") : "any item";
  return unwanted.length > 0 ? `${is}, but not ${unwanted.join(" or ")}` : is;
}

function sentence(reason: Reason): string {
  switch (reason.code) {
    case "unknown_coupon":
      return "You have no coupon of this code.";
    case "used":
      return "The coupon has been used.";
    case "locked":
      return reason.until
        ? `Another order has the coupon locked; the lock ends at ${reason.until}.`
        : "Another order has the coupon locked.";
    case "expired":
      return reason.expiredAt
        ? `The coupon expired at ${reason.expiredAt}.`
        : "The coupon has expired.";
    case "not_yet_valid":
      return `The coupon can be used from ${reason.validFrom} on.`;
    case "user_limit_reached":
      return "You have as many coupons of this kind in use as one may have.";
    case "budget_exhausted":
      return "The budget of coupons of this kind has no room for another one.";
    case "other_currency":
      return `The coupon is for orders in ${reason.currency}.`;
    case "no_eligible_items":
      return `Nothing in the order is what the coupon is for: ${items(reason)}.`;
    case "spend_more":
      return `Spend ${money(reason.amount, reason.currency)} more on ${items(reason)}.`;
    case "nothing_to_discount":
      return "The coupon would take nothing off this order.";
    case "nothing_left":
      return "The other coupons leave nothing that this one could take off; keep it.";
  }
}

export const explained = (reason: Reason): Explained => ({ ...reason, detail: sentence(reason) });
