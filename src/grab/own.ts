// What one user has won at a sale, and whether MySQL has it yet: the question of whoever lost the answer to a grab.

import { and, eq, isNull } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { winnersOf } from "./winners.ts";

export interface OwnGrant {
  readonly number: number;
  /** True once MySQL has the row. */
  readonly recorded: boolean;
}

/**
 * A user's grants of one sale that are not given back, in their order. Redis knows all of them at once; without
 * Redis, what MySQL has. Throws MySQL's error.
 */
export async function ownGrants(
  { redis, db }: { redis: Redis; db: Database },
  saleId: number,
  userId: number,
): Promise<OwnGrant[]> {
  const [recorded, held] = await Promise.all([
    redis.hget(saleKeys(saleId).sale, "recorded"),
    winnersOf(redis, saleId, [userId]),
  ]).catch(() => [null, undefined] as const);
  // A sale that is not in Redis (cold, lost, or Redis is away) is looked up in MySQL.
  if (recorded === null || held === undefined) return grantsInMysql(db, saleId, userId);
  return (held.get(userId)?.claims ?? [])
    .map(({ number }) => ({ number, recorded: number <= Number(recorded) }))
    .toSorted((one, other) => one.number - other.number);
}

async function grantsInMysql(db: Database, saleId: number, userId: number): Promise<OwnGrant[]> {
  const rows = await db
    .select({ number: grants.grantNo })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), eq(grants.userId, userId), isNull(grants.returnedAt)))
    .orderBy(grants.grantNo);
  return rows.map(({ number }) => ({ number, recorded: true }));
}
