import type { PairRule } from "./rule.ts";

export const exclusive: PairRule = {
  rule: "exclusive",
  detail: "An exclusive coupon can only be used alone.",
  breaks: (a, b) => a.stacking === "exclusive" || b.stacking === "exclusive",
};
