import type { PairRule } from "./rule.ts";

export const sameGroup: PairRule = {
  rule: "same_group",
  detail: "Only one coupon of a group can be used.",
  breaks: (a, b) =>
    a.stacking === "group" && b.stacking === "group" && a.stackingGroup === b.stackingGroup,
};
