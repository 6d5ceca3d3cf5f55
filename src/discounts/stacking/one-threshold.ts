import type { Terms } from "../order.ts";
import type { PairRule } from "./rule.ts";

/** Only amounts count as such: a percentage or the shipping may have a minimum beside them. */
export const hasThreshold = ({ type, minimumSpend }: Terms): boolean =>
  type === "amount_off" && minimumSpend > 0;

export const oneThreshold: PairRule = {
  rule: "one_threshold",
  detail: "Only one amount with a minimum spend can be taken off.",
  breaks: (a, b) => hasThreshold(a) && hasThreshold(b),
};
