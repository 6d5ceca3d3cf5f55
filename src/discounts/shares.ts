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
  for (; missing > 0; missing -= 1) {
    let most = 0;
    for (let i = 1; i < remainders.length; i += 1) {
      if ((remainders[i] ?? 0) > (remainders[most] ?? 0)) most = i;
    }
    shares[most] = (shares[most] ?? 0) + 1;
    remainders[most] = -1;
  }
  return shares;
}
