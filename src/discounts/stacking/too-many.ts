import { limits } from "../../limits.ts";
import type { CountRule } from "./rule.ts";

export const tooMany: CountRule = {
  rule: "too_many",
  brokenBy: (candidates) => {
    if (candidates.length <= limits.couponsPerOrderMax) return [];
    const detail = `At most ${limits.couponsPerOrderMax} coupons can be used for one order; ${candidates.length} of these apply.`;
    return [{ candidates, detail }];
  },
};
