// Which coupons may be used together: the rules, one a file beside this one.

import type { Candidate } from "../candidates.ts";
import type { Held, Terms } from "../order.ts";
import type { RuleName, Violation } from "../outcome.ts";
import { compareText } from "../sequence.ts";
import { exclusive } from "./exclusive.ts";
import { onePercent } from "./one-percent.ts";
import { hasThreshold, oneThreshold } from "./one-threshold.ts";
import { percentWithThreshold } from "./percent-with-threshold.ts";
import type { CountRule, PairRule } from "./rule.ts";
import { sameGroup } from "./same-group.ts";
import { templateLimit } from "./template-limit.ts";
import { tooMany } from "./too-many.ts";

/** In the order in which they are told. */
const RULES: readonly (PairRule | CountRule)[] = [
  tooMany,
  exclusive,
  sameGroup,
  onePercent,
  oneThreshold,
  percentWithThreshold,
  templateLimit,
];
const PAIRS = RULES.filter((one): one is PairRule => "breaks" in one);

/** Whether two coupons can never be used together. */
export const clash = (a: Terms, b: Terms): boolean => PAIRS.some(({ breaks }) => breaks(a, b));

/** Amounts and shippings of one slot can never be used together. */
export function slotOf(terms: Terms): string | undefined {
  if (hasThreshold(terms)) return "threshold";
  return terms.stacking === "group" ? `group ${terms.stackingGroup}` : undefined;
}

/** What a rule about two coupons needs to know of each. */
interface Paired {
  readonly held: Pick<Held, "code" | "terms">;
}

const codesOf = (all: readonly Paired[]): string[] =>
  all.map(({ held }) => held.code).sort(compareText);

/** All coupons that break the rule with another one. */
function brokenPairs<Coupon extends Paired>(
  { breaks, detail }: PairRule,
  all: readonly Coupon[],
): { candidates: Coupon[]; detail: string }[] {
  const broken = new Set<Coupon>();
  for (const [i, one] of all.entries()) {
    for (const other of all.slice(i + 1)) {
      if (breaks(one.held.terms, other.held.terms)) broken.add(one).add(other);
    }
  }
  return broken.size === 0 ? [] : [{ candidates: [...broken], detail }];
}

const told =
  (rule: RuleName) =>
  ({ candidates, detail }: { candidates: readonly Paired[]; detail: string }): Violation => ({
    ...{ rule, codes: codesOf(candidates), detail },
  });

/** The rules that the coupons break together, each with all the coupons that break it. */
export const violations = (all: readonly Candidate[]): Violation[] =>
  RULES.flatMap((one) => {
    const broken = "breaks" in one ? brokenPairs(one, all) : one.brokenBy(all);
    return broken.map(told(one.rule));
  });

/** The same of the rules about two coupons alone, for coupons that no order is known of. */
export const pairViolations = (all: readonly Paired[]): Violation[] =>
  PAIRS.flatMap((one) => brokenPairs(one, all).map(told(one.rule)));
