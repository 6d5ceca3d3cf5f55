// Sales of a page that nobody has asked for one by one lately: read from MySQL all at once, in one statement, and kept
// for the next readers of such a page as a look-up keeps what it was asked for.

import { inArray } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import type { Levels } from "../cache/levels.ts";
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

interface Kept {
  readonly record: SaleRecord;
  /** When it was read, by the clock of the levels. */
  readonly since: number;
}

const nothing: ReadonlyMap<number, SaleRow> = new Map();

export function createListedSales(
  levels: Pick<Levels, "onChange" | "believes" | "now">,
  db: Database,
): ListedSales {
  const kept = new LRUCache<number, Kept>({
    max: limits.cacheSalesMax,
    ttl: limits.cacheMemorySeconds * 1_000,
    ttlResolution: 0,
  });
  /** Counts what was heard of, so that a reading that began before keeps nothing. */
  let heard = 0;
  levels.onChange((changes) => {
    heard += 1;
    if (typeof changes === "string") kept.clear();
    else for (const { kind, key } of changes) if (kind === "sale") kept.delete(Number(key));
  });

  const reads = createGroupRead<readonly number[], ReadonlyMap<number, SaleRow>>({
    requestsMax: limits.storedListsPerReadMax,
    readsAtOnce: 1,
    identityOf: (ids) => ids.join(),
    async run(requests) {
      const [heardBefore, since] = [heard, levels.now()];
      const ids = [...new Set(requests.flat())];
      const rows = await db.select().from(sales).where(inArray(sales.id, ids));
      if (heard === heardBefore)
        for (const row of rows) kept.set(row.id, { record: recordOf(row), since });
      const found = new Map(rows.map((row) => [row.id, row]));
      return requests.map(() => found);
    },
  });

  return {
    peek(saleId) {
      const found = kept.get(saleId);
      return found && levels.believes(found.since) ? found.record : undefined;
    },

    read: (saleIds) => (saleIds.length === 0 ? Promise.resolve(nothing) : reads.read(saleIds)),
  };
}
