// Building a sale's winners in Redis from MySQL, under a key of its own, for the swap that ends a merge.

import { and, asc, eq, gt, isNotNull } from "drizzle-orm";
import { grants } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { rebuildKey, shardKeys } from "../redis/keys.ts";
import type { SaleRow } from "../sales/stored.ts";
import type { Recovery } from "./context.ts";

/** How a rebuild is named in the set of those that are not swapped in yet. */
const nameOf = (saleId: number, epoch: number): string => `${epoch} ${saleId}`;

/**
 * Removes what the leaders of earlier epochs have built and not swapped in. Never that of a later one: who asks may
 * have been stopped for a while, and its successor may be at work.
 */
export async function forgetRebuilds({
  context: { redis },
  shard,
  epoch,
}: Recovery): Promise<void> {
  const { rebuilds } = shardKeys(shard);
  for (const name of await redis.smembers(rebuilds)) {
    const [at = 0, saleId = 0] = name.split(" ").map(Number);
    if (!(at < epoch)) continue;
    await redis.unlink(rebuildKey(saleId, at));
    await redis.srem(rebuilds, name);
  }
}

/** Winners that have been rebuilt under a key of their own. */
export interface Rebuilt {
  readonly key: string;
  readonly name: string;
  readonly users: number;
}

/**
 * Writes every unreturned grant of a sale to a key of its own, user by user in chunks. Throws when another leader
 * has taken over.
 */
export async function rebuildWinners(
  { context, connection, shard, epoch, renew }: Recovery,
  sale: SaleRow,
): Promise<Rebuilt> {
  const key = rebuildKey(sale.id, epoch);
  const name = nameOf(sale.id, epoch);
  // Registered before it is there: a leader may die after any step.
  await context.redis.sadd(shardKeys(shard).rebuilds, name);
  let written = 0;
  let afterUser = 0;
  for (;;) {
    const rows = await connection.db
      .select({
        userId: grants.userId,
        slot: grants.userSlot,
        number: grants.grantNo,
        keyHash: grants.keyHash,
      })
      .from(grants)
      .where(
        and(eq(grants.saleId, sale.id), gt(grants.userId, afterUser), isNotNull(grants.userSlot)),
      )
      .orderBy(asc(grants.userId), asc(grants.userSlot))
      .limit(limits.recoveryChunkRows);
    if (rows.length === 0) return { key, name, users: written };
    // A full page may end in the middle of a user: the next page begins with that user again.
    const last = rows.at(-1)?.userId ?? 0;
    const users = Map.groupBy(rows, (row) => row.userId);
    if (rows.length === limits.recoveryChunkRows && users.size > 1) users.delete(last);
    const fields: string[] = [];
    for (const [userId, held] of users) {
      const slots: string[] = [];
      for (const { slot, number, keyHash } of held)
        slots[(slot ?? 1) - 1] = keyHash ? `${number}:${keyHash}` : String(number);
      fields.push(String(userId), Array.from(slots, (slot) => slot ?? "").join(","));
    }
    // Small commands: nobody else is served while Redis does one.
    for (let at = 0; at < fields.length; at += 2 * limits.rebuildWinnersPerCommand) {
      await context.redis.hset(key, ...fields.slice(at, at + 2 * limits.rebuildWinnersPerCommand));
    }
    written += users.size;
    afterUser = [...users.keys()].at(-1) ?? last;
    await renew();
  }
}
