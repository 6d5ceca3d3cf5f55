// How a sale went and what was done to it: for its seller.

import { and, desc, eq, gt } from "drizzle-orm";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { LiveNumbers } from "./numbers.ts";
import { type SaleAction, type SaleChange, saleChanges, sales } from "./table.ts";

export interface SaleStats {
  readonly granted: number;
  readonly returned: number;
  /** Of those granted, how many MySQL has. */
  readonly recorded: number;
  readonly left: number;
  /** Grants per second over the last ten seconds. */
  readonly grantsPerSecond: number;
  /** When the last unit went; null while units are left. */
  readonly soldOutAt: Date | null;
  readonly asOf: Date;
  /** Newest first. */
  readonly history: readonly {
    readonly version: number;
    readonly action: SaleAction;
    readonly before: SaleChange;
    readonly after: SaleChange;
    readonly reason: string;
    readonly actor: string;
    readonly at: Date;
  }[];
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

/** Undefined when there is no such sale, or not of this seller. Throws the servers' errors. */
export async function statsOf(
  { db, numbers, clock }: StatsDeps,
  saleId: number,
  owner: number | undefined,
): Promise<SaleStats | undefined> {
  const [sale] = await db.select().from(sales).where(eq(sales.id, saleId));
  if (!sale || (owner !== undefined && sale.sellerId !== owner)) return undefined;
  const [live] = await numbers.read([saleId]);
  const { total, granted, returned } = live ?? sale;
  const recorded = live?.recorded ?? sale.granted;
  const last = await db
    .select({ at: grants.grantedAt })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), gt(grants.grantNo, recorded - limits.saleRateGrants)))
    .orderBy(desc(grants.grantNo))
    .limit(limits.saleRateGrants);
  const times = last.map(({ at }) => at);
  const history = await db
    .select()
    .from(saleChanges)
    .where(eq(saleChanges.saleId, saleId))
    .orderBy(desc(saleChanges.version))
    .limit(limits.saleHistoryShown);
  const left = Math.max(0, total - (granted - returned));
  return {
    ...{ granted, returned, recorded, left, grantsPerSecond: rateOf(times, clock.now()) },
    soldOutAt: left === 0 ? (times[0] ?? null) : null,
    asOf: new Date(live?.asOf ?? clock.now()),
    history: history.map(({ version, action, before, after, reason, actor, createdAt }) => ({
      ...{ version, action, before, after, reason, actor, at: createdAt },
    })),
  };
}
