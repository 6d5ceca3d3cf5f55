// How a discount is spread over items: in proportion to what is left of each, by the largest remainder. Every
// item gets its exact share rounded down; the units that are still missing go one each to the items that lost
// most by the rounding, of equals to the one that stands first. So the shares add up to the discount exactly,
// and no item gets more than is left of it.

import { divided } from "./rounding.ts";

/**
 * The shares of `amount`, one per place, of the items at `places`, of which `left` remains; `total` is what
 * remains of them together. `amount` is at most `total`.
 */
export function split(
  amount: number,
  total: number,
  left: readonly number[],
  places: readonly number[],
): number[] {
  const shares: number[] = [];
  const remainders: number[] = [];
  let missing = amount;
  for (const place of places) {
    const { quotient, remainder } =
      total === 0 ? { quotient: 0, remainder: 0 } : divided(amount, left[place] ?? 0, total);
    shares.push(quotient);
    remainders.push(remainder);
    missing -= quotient;
  }
  if (missing === 0) return shares;
  // The least remainder that still gets a unit; of those that lost just that, the first ones.
  const least = Float64Array.from(remainders).sort()[remainders.length - missing] ?? 0;
  let equals = missing - remainders.filter((remainder) => remainder > least).length;
  for (const [i, remainder] of remainders.entries()) {
    if (remainder < least || (remainder === least && equals-- <= 0)) continue;
    shares[i] = (shares[i] ?? 0) + 1;
  }
  return shares;
}
