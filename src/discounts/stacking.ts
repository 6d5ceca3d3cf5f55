// Which coupons may be used together. Every rule but those of numbers is about two coupons, so a combination is
// allowed when each two of it are, and there are not too many, of one template or at all.

import { limits } from "../limits.ts";
import { type Candidate, compareText } from "./candidates.ts";
import type { Terms } from "./order.ts";
import type { Violation } from "./outcome.ts";
import { withinRoom } from "./uses.ts";

type PairRule = Exclude<Violation["rule"], "too_many" | "template_limit">;

const DETAILS: Record<PairRule, string> = {
  exclusive: "An exclusive coupon can only be used alone.",
  same_group: "Only one coupon of a group can be used.",
  one_percent: "Only one percentage can be taken off.",
  one_threshold: "Only one amount with a minimum spend can be taken off.",
  percent_with_threshold:
    "A percentage and an amount with a minimum spend can only be used together when both stack freely.",
};

const hasThreshold = ({ type, minimumSpend }: Terms): boolean =>
  type === "amount_off" && minimumSpend > 0;

/** Amounts and shippings of one slot can never be used together. */
export function slotOf(terms: Terms): string | undefined {
  if (hasThreshold(terms)) return "threshold";
  return terms.stacking === "group" ? `group ${terms.stackingGroup}` : undefined;
}

/** The rule that two coupons break together, if any. */
export function clash(a: Terms, b: Terms): PairRule | undefined {
  if (a.stacking === "exclusive" || b.stacking === "exclusive") return "exclusive";
  if (a.stacking === "group" && b.stacking === "group" && a.stackingGroup === b.stackingGroup) {
    return "same_group";
  }
  if (a.type === "percent_off" && b.type === "percent_off") return "one_percent";
  if (hasThreshold(a) && hasThreshold(b)) return "one_threshold";
  const isMixed =
    (a.type === "percent_off" && hasThreshold(b)) || (b.type === "percent_off" && hasThreshold(a));
  if (isMixed && !(a.stacking === "free" && b.stacking === "free")) return "percent_with_threshold";
  return undefined;
}

const codesOf = (candidates: readonly Candidate[]): string[] =>
  candidates.map(({ held }) => held.code).sort(compareText);

function tooMany(candidates: readonly Candidate[]): Violation[] {
  if (candidates.length <= limits.couponsPerOrderMax) return [];
  const detail = `At most ${limits.couponsPerOrderMax} coupons can be used for one order; ${candidates.length} of these apply.`;
  return [{ rule: "too_many", codes: codesOf(candidates), detail }];
}

function tooManyOfTemplate(candidates: readonly Candidate[]): Violation[] {
  const beyond = new Set(withinRoom(candidates).beyond.map(({ held }) => held.templateId));
  return [...beyond]
    .sort((a, b) => a - b)
    .map((templateId) => {
      const all = candidates.filter(({ held }) => held.templateId === templateId);
      const detail = "The limit or the budget of these coupons has no room for all of them.";
      return { rule: "template_limit", codes: codesOf(all), detail };
    });
}

/** The rules that the coupons break together, each with all the coupons it is about. */
export function violations(candidates: readonly Candidate[]): Violation[] {
  const broken = new Map<PairRule, Set<Candidate>>();
  for (const [i, one] of candidates.entries()) {
    for (const other of candidates.slice(i + 1)) {
      const rule = clash(one.held.terms, other.held.terms);
      if (rule) broken.set(rule, (broken.get(rule) ?? new Set()).add(one).add(other));
    }
  }
  const pairs = [...broken]
    .sort(([a], [b]) => compareText(a, b))
    .map(([rule, all]) => ({ rule, codes: codesOf([...all]), detail: DETAILS[rule] }));
  return [...tooMany(candidates), ...pairs, ...tooManyOfTemplate(candidates)];
}
