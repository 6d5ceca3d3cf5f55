import type { Terms } from "./order.ts";

/** What a free_shipping takes of `left`, which is what remains of the shipping fee, up to its cap. */
export const freeShipping = ({ discountMax }: Terms, left: number): number =>
  Math.min(left, discountMax ?? left);
