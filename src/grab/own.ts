// What one user has won at a sale, and whether MySQL has it yet: the question of whoever lost the answer to a grab.
// Redis is asked first and MySQL afterwards, and the two are united by number: Redis has what is not recorded yet, and
// MySQL has what a Redis that was set back has forgotten.

import { and, eq, isNull } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { grants } from "../ledger/table.ts";
import { isOutage } from "../outage.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { sales } from "../sales/table.ts";
import type { Gates } from "./gates.ts";
import { isStillOpen } from "./probe.ts";
import { winnersOf } from "./winners.ts";

export interface OwnGrant {
  readonly number: number;
  /** True once MySQL has the row; false while MySQL cannot be asked. */
  readonly recorded: boolean;
}

export interface OwnDeps {
  readonly redis: Redis;
  readonly db: Database;
  readonly gates: Pick<Gates, "at" | "close" | "notice">;
}

/**
 * A user's grants of one sale that are not given back, in their order. Undefined while nobody can tell whether these
 * are all: Redis does not answer, has lost the sale, or may have lost grants, which closes the gate of its shard.
 * Throws MySQL's error.
 */
export async function ownGrants(
  deps: OwnDeps,
  saleId: number,
  userId: number,
): Promise<OwnGrant[] | undefined> {
  const shard = shardOf(saleId);
  const gate = deps.gates.at(shard);
  const held = gate && (await heldInRedis(deps, saleId, userId));
  // Asked afterwards: a Redis that had lost something before it said what is held knows no script, or other ones.
  if (!held || !(await isStillOpen(deps, shard, gate))) return undefined;
  const rows = await rowsOf(deps.db, saleId, userId);
  return [...new Set([...held, ...rows])]
    .toSorted((one, other) => one - other)
    .map((number) => ({ number, recorded: rows.has(number) }));
}

async function heldInRedis(
  { redis, db }: OwnDeps,
  saleId: number,
  userId: number,
): Promise<number[] | undefined> {
  const [found, held] = await Promise.all([
    redis.exists(saleKeys(saleId).sale),
    winnersOf(redis, saleId, [userId]),
  ]).catch(() => [] as const);
  if (found === undefined) return undefined;
  if (found === 1) return (held?.get(userId)?.claims ?? []).map(({ number }) => number);
  // Of a sale that was never in Redis nobody has anything.
  const [sale] = await db
    .select({ warmedAt: sales.warmedAt })
    .from(sales)
    .where(eq(sales.id, saleId));
  return sale?.warmedAt ? undefined : [];
}

async function rowsOf(db: Database, saleId: number, userId: number): Promise<Set<number>> {
  const rows = await db
    .select({ number: grants.grantNo })
    .from(grants)
    .where(and(eq(grants.saleId, saleId), eq(grants.userId, userId), isNull(grants.returnedAt)))
    .catch((error) => {
      // The numbers are worth an answer without MySQL.
      if (isOutage(error)) return [];
      throw error;
    });
  return new Set(rows.map(({ number }) => number));
}
