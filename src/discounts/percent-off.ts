import type { Terms } from "./order.ts";
import { divided } from "./rounding.ts";

/** All of an amount. */
export const WHOLE_BASIS_POINTS = 10_000;

/** What a percent_off takes of `left`, which is what remains of its eligible items, up to its cap. */
export function percentOff({ basisPoints, discountMax }: Terms, left: number): number {
  const { quotient } = divided(left, basisPoints ?? 0, WHOLE_BASIS_POINTS);
  return Math.min(quotient, discountMax ?? left, left);
}
