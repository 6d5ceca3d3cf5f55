import type { Terms } from "../order.ts";
import { hasThreshold } from "./one-threshold.ts";
import type { PairRule } from "./rule.ts";

const isMixed = (a: Terms, b: Terms): boolean => a.type === "percent_off" && hasThreshold(b);

export const percentWithThreshold: PairRule = {
  rule: "percent_with_threshold",
  detail:
    "A percentage and an amount with a minimum spend can only be used together when both stack freely.",
  breaks: (a, b) =>
    (isMixed(a, b) || isMixed(b, a)) && !(a.stacking === "free" && b.stacking === "free"),
};
