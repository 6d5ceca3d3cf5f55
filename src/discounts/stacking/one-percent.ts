import type { PairRule } from "./rule.ts";

export const onePercent: PairRule = {
  rule: "one_percent",
  detail: "Only one percentage can be taken off.",
  breaks: (a, b) => a.type === "percent_off" && b.type === "percent_off",
};
