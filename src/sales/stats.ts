// How a sale went and what was done to it: for its seller.

import { and, desc, eq, gt, ne, sql } from "drizzle-orm";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { type LiveNumbers, liveOrNone } from "./numbers.ts";
import { type SaleAction, type SaleChange, saleChanges, sales } from "./table.ts";

export interface SaleStats {
  readonly granted: number;
  readonly returned: number;
  /** Of those granted, how many MySQL has. */
  readonly recorded: number;
  readonly left: number;
  /** Grants per second over the last ten seconds. */
  readonly grantsPerSecond: number;
  /** Since when no unit is left; null while some are, and until MySQL has all grants, whose times only it knows. */
  readonly soldOutAt: Date | null;
  readonly asOf: Date;
  /** False: the numbers are MySQL's, which lag behind. */
  readonly live: boolean;
  /** The newest first, at most `saleHistoryShown`. */
  readonly history: readonly PastChange[];
}

interface PastChange {
  readonly version: number;
  readonly action: SaleAction;
  readonly before: SaleChange;
  readonly after: SaleChange;
  readonly reason: string;
  readonly actor: string;
  readonly at: Date;
}

interface StatsDeps {
  readonly db: Database;
  readonly numbers: LiveNumbers;
  readonly clock: Clock;
}

/** How many of the last grants came within the last seconds, each second; they are read by number, not by time. */
function rateOf(times: readonly Date[], nowMs: number): number {
  const sinceMs = nowMs - limits.saleRateSeconds * 1_000;
  const recent = times.filter((at) => at.getTime() > sinceMs);
  const oldest = recent.at(-1);
  if (!oldest) return 0;
  // All that were read are recent: they tell of a shorter time.
  const isCut = recent.length === limits.saleRateGrants;
  const seconds = isCut
    ? Math.max(0.001, (nowMs - oldest.getTime()) / 1_000)
    : limits.saleRateSeconds;
  return Math.round((recent.length / seconds) * 10) / 10;
}

/**
 * The later of the last grant and the last change of the total: a sale is sold out as well when its total comes down.
 * That change may be far behind those that are shown; the index on sale and version leads to it.
 */
async function lastMove(
  db: Database,
  saleId: number,
  grantedAt: Date | undefined,
): Promise<Date | null> {
  const [moved] = await db
    .select({ at: saleChanges.createdAt })
    .from(saleChanges)
    .where(
      and(
        eq(saleChanges.saleId, saleId),
        ne(saleChanges.action, "create"),
        sql`JSON_EXTRACT(${saleChanges.after}, '$.total') IS NOT NULL`,
      ),
    )
    .orderBy(desc(saleChanges.version))
    .limit(1);
  if (!grantedAt || !moved) return grantedAt ?? moved?.at ?? null;
  return grantedAt > moved.at ? grantedAt : moved.at;
}

/** Undefined when there is no such sale, or not of this seller. Throws the servers' errors. */
export async function statsOf(
  { db, numbers, clock }: StatsDeps,
  saleId: number,
  owner: number | undefined,
): Promise<SaleStats | undefined> {
  const [sale] = await db.select().from(sales).where(eq(sales.id, saleId));
  if (!sale || (owner !== undefined && sale.sellerId !== owner)) return undefined;
  const [live] = await liveOrNone(numbers, [saleId]);
  const { total, granted, returned } = live ?? sale;
  const recorded = live?.recorded ?? sale.granted;
  const last = await db
    .select({ at: grants.grantedAt })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), gt(grants.grantNo, recorded - limits.saleRateGrants)))
    .orderBy(desc(grants.grantNo))
    .limit(limits.saleRateGrants);
  const times = last.map(({ at }) => at);
  const rows = await db
    .select()
    .from(saleChanges)
    .where(eq(saleChanges.saleId, saleId))
    .orderBy(desc(saleChanges.version))
    .limit(limits.saleHistoryShown);
  const history = rows.map(({ version, action, before, after, reason, actor, createdAt: at }) => ({
    ...{ version, action, before, after, reason, actor, at },
  }));
  const left = Math.max(0, total - (granted - returned));
  const isKnown = left === 0 && recorded >= granted;
  return {
    ...{ granted, returned, recorded, left, grantsPerSecond: rateOf(times, clock.now()) },
    soldOutAt: isKnown ? await lastMove(db, saleId, times[0]) : null,
    asOf: new Date(live?.asOf ?? clock.now()),
    ...{ live: live !== undefined, history },
  };
}
