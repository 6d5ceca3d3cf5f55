// Building a sale's winners in Redis from MySQL, under a key of its own, for the swap that ends a merge.

import { and, asc, eq, gt, isNotNull } from "drizzle-orm";
import { limits } from "../limits.ts";
import { rebuildKey, shardKeys } from "../redis/keys.ts";
import type { SaleRow } from "../sales/warm.ts";
import type { Recovery } from "./recovery.ts";
import { grants } from "./table.ts";

/** Removes what leaders that died have built and not swapped in. */
export async function forgetRebuilds({ context: { redis }, shard }: Recovery): Promise<void> {
  const { rebuilds } = shardKeys(shard);
  const left = await redis.smembers(rebuilds);
  if (left.length > 0) await redis.unlink(rebuilds, ...left);
}

/**
 * Writes every unreturned grant of a sale to the key that `rebuildKey` names, user by user in chunks. Throws
 * when another leader has taken over.
 */
export async function rebuildWinners(
  { context, connection, shard, epoch, renew }: Recovery,
  sale: SaleRow,
): Promise<void> {
  const key = rebuildKey(sale.id, epoch);
  // Registered before it is there: a leader may die after any step.
  await context.redis.sadd(shardKeys(shard).rebuilds, key);
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
    if (rows.length === 0) return;
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
    afterUser = [...users.keys()].at(-1) ?? last;
    await renew();
  }
}
