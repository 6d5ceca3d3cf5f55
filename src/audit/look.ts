// One look at the counters of some sales of a shard.

import { counterFaults, type Fault } from "./counters.ts";
import { type Cut, readCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import { type CountedSale, salesNow } from "./sales.ts";

export interface CountersSeen {
  readonly cut: Cut;
  /** MySQL after the cut. */
  readonly rows: ReadonlyMap<number, CountedSale>;
  /** By sale; only those that have some. */
  readonly faults: ReadonlyMap<number, Fault[]>;
}

/** Reads MySQL, Redis, MySQL, of at most `auditSalesPerCut` sales. Throws when a server does not answer. */
export async function lookAtCounters(
  { redis, pool }: AuditDeps,
  shard: number,
  ids: readonly number[],
): Promise<CountersSeen> {
  const before = await salesNow(pool.db, ids);
  const cut = await readCut(redis, shard, ids);
  const rows = await salesNow(pool.db, ids);
  const faults = new Map<number, Fault[]>();
  for (const saleId of ids) {
    const [earlier, later] = [before.get(saleId), rows.get(saleId)];
    // Only a sale that was removed from MySQL by hand has no row any more, and then nothing is promised.
    if (!earlier || !later) continue;
    const found = counterFaults(earlier, cut.sales.get(saleId), later);
    if (found.length > 0) faults.set(saleId, found);
  }
  return { cut, rows, faults };
}

/** The same of one sale. */
export const counterFaultsOf = async (
  deps: AuditDeps,
  shard: number,
  saleId: number,
): Promise<Fault[]> => (await lookAtCounters(deps, shard, [saleId])).faults.get(saleId) ?? [];
