// What templates count of their coupons: how many a user has locked or used, and how much of the budget is set aside
// and spent. The coupons say it as well, and one statement sees both at one moment.

import { setTimeout as sleep } from "node:timers/promises";
import type { RowDataPacket } from "mysql2";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { AuditDeps } from "./deps.ts";
import type { Finding } from "./finding.ts";

interface Miscount {
  readonly templateId: number;
  /** The first sale of the template; null where it has none. */
  readonly saleId: number | null;
  readonly what: string;
  readonly counted: number;
  readonly found: number;
}

const COLUMNS = `template_id AS templateId,
  (SELECT MIN(id) FROM sales WHERE sales.template_id = both_sides.template_id) AS saleId,
  CAST(SUM(counted) AS UNSIGNED) AS counted, CAST(SUM(found) AS UNSIGNED) AS found`;
/** Each side adds its rows, so what is not the same on both is a group with two different sums. */
const DIFFERS =
  "HAVING SUM(counted) <> SUM(found) AND template_id = COALESCE(?, template_id) LIMIT ?";

const HELD = `SELECT ${COLUMNS}, CONCAT('coupons as locked or used by user ', user_id) AS what
  FROM (
    SELECT template_id, user_id, held AS counted, 0 AS found FROM template_users
    UNION ALL
    SELECT template_id, user_id, 0, COUNT(*) FROM coupons
      WHERE state IN ('locked', 'used') GROUP BY template_id, user_id
  ) AS both_sides
  GROUP BY template_id, user_id ${DIFFERS}`;

const BUDGET = `SELECT ${COLUMNS}, IF(spent, 'of its budget as spent', 'of its budget as set aside') AS what
  FROM (
    SELECT id AS template_id, 0 AS spent, budget_reserved AS counted, 0 AS found
      FROM templates WHERE budget_reserved > 0
    UNION ALL
    SELECT id, 1, budget_spent, 0 FROM templates WHERE budget_spent > 0
    UNION ALL
    SELECT template_id, state = 'used', 0, SUM(reserved) FROM coupons
      WHERE state IN ('locked', 'used') GROUP BY template_id, state = 'used'
  ) AS both_sides
  GROUP BY template_id, spent ${DIFFERS}`;

async function miscounts(
  { pool }: AuditDeps,
  templateId: number | undefined,
): Promise<Map<string, Miscount>> {
  const found = new Map<string, Miscount>();
  for (const sql of [HELD, BUDGET]) {
    const [rows] = await pool.pool
      .promise()
      .query<(Miscount & RowDataPacket)[]>({ sql, timeout: limits.auditStatementMs }, [
        ...[templateId ?? null, limits.auditMiscountsMax],
      ]);
    for (const row of rows) found.set(`${row.templateId} ${row.what}`, row);
  }
  return found;
}

/**
 * Looks at the counters of all templates or of one, twice if need be. A finding is under the first sale of its
 * template. Throws when MySQL does not answer.
 */
export async function auditTemplates(
  deps: AuditDeps,
  { templateId, secondLookMs }: { templateId: number | undefined; secondLookMs: number },
): Promise<Finding[]> {
  const first = await miscounts(deps, templateId);
  if (first.size === 0) return [];
  await sleep(secondLookMs);
  const second = await miscounts(deps, templateId);
  return [...second].flatMap(([name, { templateId: id, saleId, what, counted, found }]) => {
    if (!first.has(name)) return [];
    const text = `template ${id} counts ${counted} ${what}, and its coupons say ${found}`;
    const place = { shard: shardOf(saleId ?? 0), ...(saleId !== null && { saleId }) };
    return [{ ...place, kind: "coupon_counters", text, numbers: [], count: 1 }];
  });
}
