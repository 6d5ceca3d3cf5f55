// The customer's grants that MySQL may not have yet.
//
// Each shard has a set of the sales with unrecorded grants: grab.lua adds a sale in the same step as its
// grant, and it leaves only when a script has found all of its grants recorded. So a grant confirmed before
// this reading began is either in a sale of that set, and then in its winners hash, or in MySQL before this
// reading began. Read Redis first and MySQL afterwards: what is recorded in between is then seen twice,
// never not at all.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { allShards, saleKeys, shardKeys } from "../redis/keys.ts";
import { RedisAway, readEach, readMany } from "../redis/reading.ts";
import { type Grant, numbersOf } from "./grants.ts";

async function unrecordedSales(redis: Redis): Promise<number[]> {
  const sets = await readMany(redis, (pipeline) => {
    for (const shard of allShards) pipeline.smembers(shardKeys(shard).unrecorded);
  });
  return (sets as string[][]).flat().map(Number);
}

/**
 * For each user the grants in sales that are not fully recorded, in two round trips for all users (more
 * only beyond `counterSalesPerReadMax` such sales). Throws RedisAway.
 */
export async function readRecent(redis: Redis, userIds: readonly string[]): Promise<Grant[][]> {
  const saleIds = await unrecordedSales(redis);
  const grants = userIds.map((): Grant[] => []);
  for (let start = 0; start < saleIds.length; start += limits.counterSalesPerReadMax) {
    const chunk = saleIds.slice(start, start + limits.counterSalesPerReadMax);
    const fields = (await readEach(redis, (pipeline) => {
      for (const saleId of chunk) pipeline.hmget(saleKeys(saleId).winners, ...userIds);
    })) as ((string | null)[] | undefined)[];
    fields.forEach((ofSale = [], index) => {
      const saleId = chunk[index] as number;
      ofSale.forEach((field, user) => {
        if (field === null) return;
        for (const number of numbersOf(field)) grants[user]?.push({ saleId, number });
      });
    });
  }
  return grants;
}

/** The same, or none for anybody where Redis does not answer. */
export async function readRecentOrNone(
  redis: Redis,
  userIds: readonly string[],
): Promise<Grant[][]> {
  try {
    return await readRecent(redis, userIds);
  } catch (error) {
    if (error instanceof RedisAway) return userIds.map(() => []);
    throw error;
  }
}
