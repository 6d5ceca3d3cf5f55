// What one user has won at a sale, and whether MySQL has it yet: the question of whoever lost the answer to a grab.

import { and, eq, inArray, isNull } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { isOutage } from "../outage.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { winnersOf } from "./winners.ts";

export interface OwnGrant {
  readonly number: number;
  /** True once MySQL has the row; false while MySQL cannot be asked. */
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
  const numbers = (held.get(userId)?.claims ?? []).map(({ number }) => number);
  // Redis knows up to where the ledger was read, not what of it became a row and what a dead letter.
  const read = numbers.filter((number) => number <= Number(recorded));
  const rows = read.length > 0 ? await rowsOf(db, saleId, userId, read) : new Set<number>();
  return numbers
    .toSorted((one, other) => one - other)
    .map((number) => ({ number, recorded: rows.has(number) }));
}

async function rowsOf(
  db: Database,
  saleId: number,
  userId: number,
  numbers: readonly number[],
): Promise<Set<number>> {
  const named = inArray(grants.grantNo, [...numbers]);
  const rows = await db
    .select({ number: grants.grantNo })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), eq(grants.userId, userId), named))
    .catch((error) => {
      // The numbers are worth an answer without MySQL.
      if (isOutage(error)) return [];
      throw error;
    });
  return new Set(rows.map(({ number }) => number));
}

async function grantsInMysql(db: Database, saleId: number, userId: number): Promise<OwnGrant[]> {
  const rows = await db
    .select({ number: grants.grantNo })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), eq(grants.userId, userId), isNull(grants.returnedAt)))
    .orderBy(grants.grantNo);
  return rows.map(({ number }) => ({ number, recorded: true }));
}
