import type { Terms } from "./order.ts";

/** What an amount_off takes of `left`, which is what remains of its eligible items: never more than that. */
export const amountOff = ({ faceValue }: Terms, left: number): number => Math.min(faceValue, left);
