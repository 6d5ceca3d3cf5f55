// What MySQL remembers of recoveries and of what was refused. A process's own counters begin at 0 with it.

import { count, desc, sum } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { deadLetters, recoveries } from "./table.ts";

export interface LedgerHistory {
  /** The last ones, newest first. */
  readonly recoveries: readonly {
    readonly id: number;
    readonly shard: number;
    readonly epochFrom: number;
    readonly epochTo: number;
    readonly reason: string;
    readonly salesRebuilt: number;
    readonly grantsRestored: number;
    readonly voids: number;
    readonly unheard: number;
    readonly milliseconds: number;
    readonly at: string;
  }[];
  /** Numbers that recoveries could not account for, since the beginning. */
  readonly voids: number;
  readonly deadLetters: number;
}

/** Reads it. Throws MySQL's error. */
export async function readHistory(db: Database): Promise<LedgerHistory> {
  const last = await db
    .select()
    .from(recoveries)
    .orderBy(desc(recoveries.id))
    .limit(limits.recoveriesTold);
  const [voids] = await db.select({ numbers: sum(recoveries.voids) }).from(recoveries);
  const [letters] = await db.select({ rows: count() }).from(deadLetters);
  return {
    recoveries: last.map(({ createdAt, ...row }) => ({ ...row, at: createdAt.toISOString() })),
    voids: Number(voids?.numbers ?? 0),
    deadLetters: letters?.rows ?? 0,
  };
}
