// What recovery and the writer ask MySQL's grants before they write.

import { and, eq, inArray, max } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { WitnessedGrant } from "./protocol.ts";
import { grants } from "./table.ts";

/**
 * Leaves out what MySQL has exactly so, which is nearly all. The rows are asked, not the sale's counter: what
 * was refused is counted, and has no row. And the user counts: of two Redis that both thought
 * themselves the primary, one may have given the same number to somebody else.
 */
export async function unrecorded(
  db: Database,
  known: readonly WitnessedGrant[],
): Promise<WitnessedGrant[]> {
  const missing: WitnessedGrant[] = [];
  for (const [saleId, ofSale] of Map.groupBy(known, (grant) => grant.saleId)) {
    for (let at = 0; at < ofSale.length; at += limits.batchGrantsMax) {
      const some = ofSale.slice(at, at + limits.batchGrantsMax);
      const numbers = some.map(({ grantNo }) => grantNo);
      const rows = await db
        .select({ grantNo: grants.grantNo, userId: grants.userId })
        .from(grants)
        .where(and(eq(grants.saleId, saleId), inArray(grants.grantNo, numbers)));
      const owners = new Map(rows.map((row) => [row.grantNo, row.userId]));
      missing.push(...some.filter(({ grantNo, userId }) => owners.get(grantNo) !== userId));
    }
  }
  return missing;
}

/** The greatest number that each of these sales has a row for; sales without rows are left out. */
export async function lastNumbers(
  db: Database | Transaction,
  saleIds: readonly number[],
): Promise<Map<number, number>> {
  if (saleIds.length === 0) return new Map();
  const rows = await db
    .select({ saleId: grants.saleId, last: max(grants.grantNo) })
    .from(grants)
    .where(inArray(grants.saleId, [...saleIds]))
    .groupBy(grants.saleId);
  return new Map(rows.map(({ saleId, last }) => [saleId, last ?? 0]));
}
