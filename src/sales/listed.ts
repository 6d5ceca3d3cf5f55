// Sales of a page that nobody has asked for one by one lately: read from MySQL all at once, in one statement, and kept
// for the next readers of such a page as a look-up keeps what it was asked for.

import { inArray } from "drizzle-orm";
import type { Levels } from "../cache/levels.ts";
import { createReadings } from "../cache/readings.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { createGroupRead } from "../redis/group.ts";
import { recordOf, type SaleRecord } from "./records.ts";
import type { SaleRow } from "./stored.ts";
import { sales } from "./table.ts";

export interface ListedSales {
  /** Memory only. */
  peek(saleId: number): SaleRecord | undefined;
  /** Rows by id; of what is no sale there is none. Throws MySQL's error or Overloaded. */
  read(saleIds: readonly number[]): Promise<ReadonlyMap<number, SaleRow>>;
}

const nothing: ReadonlyMap<number, SaleRow> = new Map();

export function createListedSales(
  levels: Pick<Levels, "onChange" | "believes" | "now">,
  db: Database,
): ListedSales {
  const kept = createReadings<SaleRecord>(levels, { of: "sale", max: limits.cacheSalesMax });

  const reads = createGroupRead<readonly number[], ReadonlyMap<number, SaleRow>>({
    requestsMax: limits.storedListsPerReadMax,
    readsAtOnce: 1,
    identityOf: (ids) => ids.join(),
    async run(requests) {
      const keep = kept.begin();
      const ids = [...new Set(requests.flat())];
      const rows = await db.select().from(sales).where(inArray(sales.id, ids));
      for (const row of rows) keep(row.id, recordOf(row));
      const found = new Map(rows.map((row) => [row.id, row]));
      return requests.map(() => found);
    },
  });

  return {
    peek: kept.peek,

    read: (saleIds) => (saleIds.length === 0 ? Promise.resolve(nothing) : reads.read(saleIds)),
  };
}
