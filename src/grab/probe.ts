// Whether Redis still takes what an open gate lets through: what it answers before that is from this side of a loss.

import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import type { Gates, OpenGate } from "./gates.ts";
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

/** The same, and closes the gate here where it is not open there. False, too, while Redis does not answer. */
export async function isStillOpen(
  { redis, gates }: { redis: Redis; gates: Pick<Gates, "close" | "notice"> },
  shard: number,
  gate: OpenGate,
): Promise<boolean> {
  try {
    if (await gateAccepts(redis, shard, gate)) return true;
    gates.close(shard, gate, "the gate was shut");
  } catch (error) {
    // A fence closes the gate; a Redis that does not answer says nothing about what it has.
    gates.notice(shard, gate, error);
  }
  return false;
}
