// What a rule about coupons together is. Whoever adds one writes a file for it, puts it into the list in rules.ts, and
// explains it in docs/discounts.md.

import type { Candidate } from "../candidates.ts";
import type { Terms } from "../order.ts";
import type { RuleName } from "../outcome.ts";

/** A rule about two coupons: a combination keeps it when each two of it do. */
export interface PairRule {
  readonly rule: RuleName;
  /** Why not, in a sentence. */
  readonly detail: string;
  readonly breaks: (a: Terms, b: Terms) => boolean;
}

/** A rule about how many coupons there are. */
export interface CountRule {
  readonly rule: RuleName;
  /** The coupons that are too many together, and why, in a sentence; those of several templates apart. */
  readonly brokenBy: (candidates: readonly Candidate[]) => readonly Broken[];
}

/** Coupons that break a rule together. */
export interface Broken {
  readonly candidates: readonly Candidate[];
  readonly detail: string;
}
