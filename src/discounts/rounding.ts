// The one rounding of all discounts: ROUND DOWN. A fraction of a minor unit is never taken off, so no coupon gives
// more than its template promises, an order that is split in two never gets more off than in one piece, and
// spending more never gets less off. At most one minor unit per coupon is lost, because a percentage is taken
// once of a sum, not of each item.

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
