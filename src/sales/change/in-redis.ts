// A change of a sale in Redis: one call of change.lua, and what its reply means.

import { eq } from "drizzle-orm";
import { shardScripts } from "../../grab/scripts.ts";
import { shards } from "../../ledger/table.ts";
import { saleKeys, shardOf } from "../../redis/keys.ts";
import { type PendingChange, redisFieldsOf } from "../stored.ts";
import type { ChangesDeps } from "./changes.ts";
import { demandOf } from "./demands.ts";
import type { Refusal } from "./outcome.ts";

/** What change.lua replied, and the shard's epoch that it ran under. */
export interface Reply {
  readonly word: string;
  readonly epoch: number;
}

/** One call of the script under the epoch that MySQL has now. Throws Redis's error, NOSCRIPT among them, and MySQL's. */
export async function applyInRedis(
  { db, redis, gates }: Pick<ChangesDeps, "db" | "redis" | "gates">,
  pending: PendingChange,
): Promise<Reply> {
  const { saleId, changeId, version, epoch: bound, action, change } = pending;
  const shard = shardOf(saleId);
  const openGate = gates?.at(shard);
  const [row] = await db
    .select({ epoch: shards.epoch, incarnation: shards.incarnation })
    .from(shards)
    .where(eq(shards.shard, shard));
  const { epoch, incarnation } = row ?? { epoch: 0, incarnation: "" };
  const { sha } = shardScripts(incarnation).change;
  const { gate, sale } = saleKeys(saleId);
  const head = [epoch, version, changeId, bound ?? "", demandOf(action, change)];
  const fields = redisFieldsOf(change);
  try {
    return { word: String(await redis.evalsha(sha, 2, gate, sale, ...head, ...fields)), epoch };
  } catch (error) {
    if (openGate) gates?.notice(shard, openGate, error);
    throw error;
  }
}

/** What a reply of change.lua refuses. */
export function refusalOf(reply: string): Refusal {
  const [word, active] = reply.split(" ");
  if (word === "below") return { kind: "below_granted", active: Number(active) };
  return word === "opened" || word === "granted" ? { kind: "opened" } : { kind: "superseded" };
}
