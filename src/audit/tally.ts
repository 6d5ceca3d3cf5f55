// What templates count of their coupons, as the audit inside the service looks at it: a little at a time. A user's
// count is looked at when a number of theirs is; a budget, which only all coupons of its template together can tell,
// where there are not too many.

import type { RowDataPacket } from "mysql2";
import { limits } from "../limits.ts";
import type { CouponsOf } from "./coupons.ts";
import type { AuditDeps } from "./deps.ts";
import type { NumberFault } from "./inspect.ts";

const HOLDERS =
  "SELECT grant_no AS number, user_id AS userId FROM coupons WHERE sale_id = ? AND grant_no IN (?)";

/** What is counted of these users, and each coupon that should be, at one moment; `counted` comes as text. */
const HELD = `SELECT user_id AS userId, held AS counted, 0 AS found FROM template_users
    WHERE template_id = ? AND user_id IN (?)
  UNION ALL
  SELECT user_id, 0, 1 FROM coupons
    WHERE user_id IN (?) AND template_id = ? AND state IN ('locked', 'used')`;

const COUPONS = "SELECT SUM(granted) AS coupons FROM sales WHERE template_id = ?";

/** By way of the sales: coupons have no index by template, and none of another template's is in them. */
const BUDGET = `SELECT budget_reserved AS reserved, budget_spent AS spent,
    COALESCE((SELECT SUM(reserved) FROM coupons JOIN sales ON sales.id = coupons.sale_id
      WHERE sales.template_id = templates.id AND coupons.template_id = templates.id
        AND coupons.state = 'locked'), 0) AS foundReserved,
    COALESCE((SELECT SUM(reserved) FROM coupons JOIN sales ON sales.id = coupons.sale_id
      WHERE sales.template_id = templates.id AND coupons.template_id = templates.id
        AND coupons.state = 'used'), 0) AS foundSpent
  FROM templates WHERE id = ?`;

async function query<Found extends object>(
  { pool }: AuditDeps,
  text: string,
  values: (number | readonly number[])[],
): Promise<Found[]> {
  const [rows] = await pool.pool.promise().query<(Found & RowDataPacket)[]>(text, values);
  return rows;
}

/**
 * What is counted as locked or used by the users who have these numbers. Only a count whose user has no coupon at all
 * of the template is left to the command. Throws when MySQL does not answer.
 */
export async function inspectHeld(
  deps: AuditDeps,
  { id, templateId }: Pick<CouponsOf, "id" | "templateId">,
  numbers: Iterable<number>,
): Promise<NumberFault[]> {
  const all = [...numbers];
  const faults: NumberFault[] = [];
  for (let at = 0; at < all.length; at += limits.auditInspectedAtOnce) {
    const some = all.slice(at, at + limits.auditInspectedAtOnce);
    const holders = await query<{ number: number; userId: number }>(deps, HOLDERS, [id, some]);
    const numberOf = new Map(holders.map(({ number, userId }) => [userId, number]));
    const users = [...numberOf.keys()];
    if (users.length === 0) continue;
    const rows = await query<{ userId: number; counted: string; found: number }>(deps, HELD, [
      ...[templateId, users, users, templateId],
    ]);
    for (const [userId, ofUser] of Map.groupBy(rows, (row) => row.userId)) {
      const counted = ofUser.reduce((sum, row) => sum + Number(row.counted), 0);
      const found = ofUser.reduce((sum, row) => sum + row.found, 0);
      if (counted === found) continue;
      const what = `${counted} coupons as locked or used by user ${userId}`;
      const text = `template ${templateId} counts ${what}, and its coupons say ${found}`;
      faults.push({ kind: "coupon_counters", number: numberOf.get(userId) ?? 0, text });
    }
  }
  return faults;
}

/**
 * What a template counts of its budget. With more than `auditLiveBudgetCouponsPerRound` coupons it is left to the
 * command, and with more than `room` it `waits` for another round; `coupons` is how many may have been read. Throws when
 * MySQL does not answer.
 */
export async function inspectBudget(
  deps: AuditDeps,
  templateId: number,
  room: number,
): Promise<{ faults: NumberFault[]; coupons: number; waits?: true }> {
  const [size] = await query<{ coupons: string | null }>(deps, COUPONS, [templateId]);
  const coupons = Number(size?.coupons ?? 0);
  if (coupons > limits.auditLiveBudgetCouponsPerRound) return { faults: [], coupons: 0 };
  if (coupons > room) return { faults: [], coupons: 0, waits: true };
  const [row] = await query<Record<"reserved" | "spent" | "foundReserved" | "foundSpent", unknown>>(
    deps,
    BUDGET,
    [templateId],
  );
  if (!row) return { faults: [], coupons };
  const faults = [
    { what: "set aside", counted: Number(row.reserved), found: Number(row.foundReserved) },
    { what: "spent", counted: Number(row.spent), found: Number(row.foundSpent) },
  ]
    .filter(({ counted, found }) => counted !== found)
    .map(({ what, counted, found }) => {
      const text = `template ${templateId} counts ${counted} of its budget as ${what}, and its coupons say ${found}`;
      return { kind: "coupon_counters" as const, rule: `budget ${what}`, text };
    });
  return { faults, coupons };
}
