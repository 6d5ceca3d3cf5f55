// Grants in MySQL, a window of each of several users in one query.

import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { byNewest, type Grant } from "../wallet/grants.ts";

export interface StoredWindow {
  readonly userId: string;
  /** Grants that are not counted and not returned. */
  readonly without: readonly Grant[];
  readonly offset: number;
  readonly count: number;
}

const without = (known: readonly Grant[]): SQL =>
  known.length === 0
    ? sql.empty()
    : sql` AND (${grants.saleId}, ${grants.grantNo}) NOT IN (${sql.join(
        known.map(({ saleId, number }) => sql`(${saleId}, ${number})`),
        sql`, `,
      )})`;

// A grant that was returned has no slot. The order is that of the index on the user, backwards.
const selectWindow = (window: StoredWindow, part: number): SQL =>
  sql`(SELECT ${part} AS part, ${grants.saleId} AS sale, ${grants.grantNo} AS grant_number FROM ${grants}
    WHERE ${grants.userId} = ${Number(window.userId)} AND ${grants.userSlot} IS NOT NULL${without(window.without)}
    ORDER BY ${grants.saleId} DESC, ${grants.grantNo} DESC LIMIT ${window.count} OFFSET ${window.offset})`;

/** The grants of each window, sorted newest first. Throws MySQL's error. */
export async function readStored(
  db: Database,
  windows: readonly StoredWindow[],
): Promise<Grant[][]> {
  const [rows] = await db.execute(sql.join(windows.map(selectWindow), sql` UNION ALL `));
  const found = windows.map((): Grant[] => []);
  for (const row of rows as unknown as { part: number; sale: number; grant_number: number }[]) {
    found[row.part]?.push({ saleId: row.sale, number: row.grant_number });
  }
  // A UNION keeps no order of its own.
  return found.map((ofWindow) => ofWindow.sort(byNewest));
}
