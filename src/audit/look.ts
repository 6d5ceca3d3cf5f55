// One look at the counters of some sales of a shard.

import { eq } from "drizzle-orm";
import { compareIds } from "../ledger/entry.ts";
import { shards } from "../ledger/table.ts";
import { counterFaults, type Fault } from "./counters.ts";
import { type Cut, readCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import { readPending } from "./pending.ts";
import { type CountedSale, salesNow } from "./sales.ts";

export interface CountersSeen {
  readonly cut: Cut;
  /** MySQL after the cut. */
  readonly rows: ReadonlyMap<number, CountedSale>;
  /** By sale; only those that have some. */
  readonly faults: ReadonlyMap<number, Fault[]>;
}

/** Reads MySQL, Redis, MySQL's cursor, MySQL, of at most `auditSalesPerCut` sales. Throws when a server does not answer. */
export async function lookAtCounters(
  deps: AuditDeps,
  shard: number,
  ids: readonly number[],
): Promise<CountersSeen> {
  const { redis, pool } = deps;
  const before = await salesNow(pool.db, ids);
  const cut = await readCut(redis, shard, ids);
  const [shardRow] = await pool.db
    .select({ lastId: shards.lastId })
    .from(shards)
    .where(eq(shards.shard, shard));
  const isRead = compareIds(shardRow?.lastId ?? "0-0", cut.newestId || "0-0") >= 0;
  const rows = await salesNow(pool.db, ids);
  const faults = new Map<number, Fault[]>();
  for (const saleId of ids) {
    const [earlier, later] = [before.get(saleId), rows.get(saleId)];
    // Only a sale that was removed from MySQL by hand has no row any more, and then nothing is promised.
    if (!earlier || !later) continue;
    const at = cut.sales.get(saleId);
    const ahead = at !== undefined && at.recorded > later.granted;
    const replays = ahead && (await waits(deps, shard, later, cut.lastId));
    const found = counterFaults(earlier, at, later, { replays, isRead });
    if (found.length > 0) faults.set(saleId, found);
  }
  return { cut, rows, faults };
}

/**
 * Whether the number after the last one that MySQL counts stands in the stream, be it as one for the dead letters, or
 * has been written since.
 */
async function waits(
  deps: AuditDeps,
  shard: number,
  { id, granted }: CountedSale,
  lastId: string,
): Promise<boolean> {
  const pending = await readPending(deps, shard, new Set([id]), lastId);
  const sale = pending.sales.get(id);
  if (sale?.at(granted + 1) !== undefined || sale?.unreadable.has(granted + 1)) return true;
  const now = (await salesNow(deps.pool.db, [id])).get(id);
  return now !== undefined && now.granted > granted;
}

/** The same of one sale. */
export const counterFaultsOf = async (
  deps: AuditDeps,
  shard: number,
  saleId: number,
): Promise<Fault[]> => (await lookAtCounters(deps, shard, [saleId])).faults.get(saleId) ?? [];
