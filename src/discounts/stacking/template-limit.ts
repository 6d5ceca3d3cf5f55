import { withinRoom } from "../uses.ts";
import type { CountRule } from "./rule.ts";

const DETAIL = "The limit or the budget of these coupons has no room for all of them.";

export const templateLimit: CountRule = {
  rule: "template_limit",
  brokenBy: (candidates) => {
    const beyond = new Set(withinRoom(candidates).beyond.map(({ held }) => held.templateId));
    return [...beyond]
      .sort((a, b) => a - b)
      .map((templateId) => ({
        candidates: candidates.filter(({ held }) => held.templateId === templateId),
        detail: DETAIL,
      }));
  },
};
