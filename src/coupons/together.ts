// The rules about coupons together (discounts/stacking), where an order takes coupons: all that it is going to have is
// judged, however many calls it takes them with. What a coupon takes off is not looked at, only what it is.

import { and, eq, or, sql } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import type { Violation } from "../discounts/outcome.ts";
import { pairViolations } from "../discounts/stacking/rules.ts";
import { limits } from "../limits.ts";
import { factsOf } from "../templates/facts.ts";
import { templates } from "../templates/table.ts";
import type { Step } from "./plan.ts";
import { areAt, type CouponPlace, lockRuns } from "./row.ts";
import { coupons } from "./table.ts";

/**
 * Whether a step leaves the order with a coupon, for which the owner must be held. So does a use of what it has locked:
 * its lock may end while it waits, and who takes another coupon then has to wait for it.
 */
export const isGiving = (step: Step): boolean => step.action === "lock" || step.action === "use";

/** Whether a step gives the order a coupon that it did not have, so that the rules are judged. */
export const isTaking = (step: Step): boolean =>
  isGiving(step) && !(step.action === "use" && step.from === "locked");

/**
 * The coupons at these places, and those that the order has locked or used besides. For those MySQL looks through all that
 * the user has, a third of a millisecond for each thousand: an index that knows orders would be paid by every grant.
 */
async function readOrder(
  tx: Transaction,
  userId: number,
  orderSn: string,
  asked: readonly CouponPlace[],
) {
  const isAsked = sql`IF(${areAt(asked)}, 1, 0)`.mapWith(Boolean);
  const isTaken = or(eq(coupons.state, "used"), and(eq(coupons.state, "locked"), lockRuns));
  const rows = await tx
    .select({ code: coupons.code, orderSn: coupons.orderSn, isAsked, template: templates })
    .from(coupons)
    .innerJoin(templates, eq(templates.id, coupons.templateId))
    .where(
      and(eq(coupons.userId, userId), or(areAt(asked), and(eq(coupons.orderSn, orderSn), isTaken))),
    );
  // MySQL compares numbers of orders without case.
  return rows.filter((row) => row.isAsked || row.orderSn === orderSn);
}

/**
 * The rules that the order would break with these coupons. Their owner must be held, so that of two that take coupons at
 * once the second one sees those of the first. Throws MySQL's error.
 */
export async function violationsWith(
  tx: Transaction,
  userId: number,
  orderSn: string,
  asked: readonly CouponPlace[],
): Promise<readonly Violation[]> {
  const rows = await readOrder(tx, userId, orderSn, asked);
  const all = rows.map(({ code, template }) => ({ held: { code, terms: factsOf(template) } }));
  const pairs = pairViolations(all);
  if (all.length <= limits.couponsPerOrderMax) return pairs;
  const detail = `At most ${limits.couponsPerOrderMax} coupons can be used for one order; it would have ${all.length}.`;
  return [{ rule: "too_many", codes: rows.map(({ code }) => code).sort(), detail }, ...pairs];
}
