// The one rounding of all discounts: ROUND DOWN. A fraction of a minor unit is never taken off, so no coupon gives
// more than its template promises, and a coupon by itself never takes less off where more is spent. At most one minor
// unit per coupon is lost, because a percentage is taken once of a sum, not of each item.
//
// Among several coupons there are also the odd units of shares (shares.ts): when an amount changes, they may fall on other
// items, and a coupon that is for some of the items then finds a little less. With n items and k coupons that
// comes to n × k / 2 minor units at most: what is rounded up or down in one split is a quarter unit an item.

/** `factor` × `other` ÷ `divisor`, rounded down, and what remains; exact for whole numbers from 0 to 2^53 - 1. */
export function divided(
  factor: number,
  other: number,
  divisor: number,
): { quotient: number; remainder: number } {
  const product = factor * other;
  if (product <= Number.MAX_SAFE_INTEGER) {
    const quotient = Math.floor(product / divisor);
    return { quotient, remainder: product - quotient * divisor };
  }
  const exact = BigInt(factor) * BigInt(other);
  const by = BigInt(divisor);
  return { quotient: Number(exact / by), remainder: Number(exact % by) };
}
