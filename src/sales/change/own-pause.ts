// Whether the service itself keeps a sale paused: what an audit or a recovery has found is for an operator to look at,
// and nothing that a seller may open again.

import { and, desc, eq } from "drizzle-orm";
import type { Database, Transaction } from "../../db/client.ts";
import { saleChanges } from "../table.ts";

/** The parts of the service that pause a sale for what they have found, as the history names them. */
export const AUDIT = "audit";
export const RECOVERY = "recovery";

/** Whether the last pause in the history of a paused sale is the service's own. Throws MySQL's error. */
export async function isHeld(db: Database | Transaction, saleId: number): Promise<boolean> {
  const [last] = await db
    .select({ actor: saleChanges.actor })
    .from(saleChanges)
    .where(and(eq(saleChanges.saleId, saleId), eq(saleChanges.action, "pause")))
    .orderBy(desc(saleChanges.version))
    .limit(1);
  return last?.actor === AUDIT || last?.actor === RECOVERY;
}
