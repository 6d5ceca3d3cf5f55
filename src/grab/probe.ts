import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import type { ShardScripts } from "./scripts.ts";

/**
 * Calls the grab script of a shard without attempts: it looks at the gate and does nothing else. True when
 * Redis knows the script and the gate is open for this epoch. Throws Redis's error; NOSCRIPT is one.
 */
export async function gateAccepts(
  redis: Redis,
  shard: number,
  { epoch, scripts }: { epoch: number; scripts: ShardScripts },
): Promise<boolean> {
  const keys = saleKeys(shard);
  const reply = await redis.evalsha(
    ...([scripts.grab.sha, 5, keys.gate, keys.sale, keys.winners, keys.ledger] as const),
    ...([keys.unrecorded, epoch, 0, shard] as const),
  );
  return Array.isArray(reply);
}
