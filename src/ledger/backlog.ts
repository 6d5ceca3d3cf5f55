import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardKeys } from "../redis/keys.ts";
import { readEach, readMany } from "../redis/reading.ts";

/**
 * Grants that wait for MySQL, by shard. The process's heartbeat waits for this, so it is one round trip for the
 * shards and then one for each `counterSalesPerReadMax` sales, not one for each sale. Throws RedisAway.
 */
export async function backlogsOf(
  redis: Redis,
  shards: readonly number[],
): Promise<Map<number, number>> {
  const backlogs = new Map(shards.map((shard) => [shard, 0]));
  const sets = (await readMany(redis, (pipeline) => {
    for (const shard of shards) pipeline.smembers(shardKeys(shard).unrecorded);
  })) as string[][];
  const waiting = sets.flatMap((ids, index) =>
    ids.map((id) => ({ shard: shards[index] as number, key: saleKeys(Number(id)).sale })),
  );
  for (let at = 0; at < waiting.length; at += limits.counterSalesPerReadMax) {
    const chunk = waiting.slice(at, at + limits.counterSalesPerReadMax);
    const counters = (await readEach(redis, (pipeline) => {
      for (const { key } of chunk) pipeline.hmget(key, "granted", "recorded");
    })) as ([string | null, string | null] | undefined)[];
    chunk.forEach(({ shard }, index) => {
      const [granted, recorded] = counters[index] ?? [null, null];
      const grants = Math.max(0, Number(granted) - Number(recorded));
      // A damaged counter is a matter of that sale.
      if (Number.isFinite(grants)) backlogs.set(shard, (backlogs.get(shard) ?? 0) + grants);
    });
  }
  return backlogs;
}

/** Grants that wait for MySQL on all these shards. */
export const totalBacklog = (backlogs: ReadonlyMap<number, number>): number =>
  [...backlogs.values()].reduce((sum, grants) => sum + grants, 0);
