// Pausing a sale and opening it again, in both stores. Redis decides about grabs, so a pause is there first; MySQL
// is what a rebuild goes by, so an opening is there first: whoever dies in between leaves a sale that does not
// sell, and doing it again finishes it.

import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { shardScripts } from "../grab/scripts.ts";
import { shards } from "../ledger/table.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { sales } from "./table.ts";

interface StateDeps {
  readonly redis: Redis;
  readonly db: Database;
}

/** "fenced": the shard recovers or is at another epoch, or Redis does not have the sale; nothing was changed there. */
export type StateChange = "set" | "same" | "fenced";

/** Without `epoch`, under the one that MySQL has now. */
async function setInRedis(
  { redis, db }: StateDeps,
  saleId: number,
  state: "open" | "paused",
  epoch?: number,
): Promise<StateChange> {
  const [row] = await db
    .select({ epoch: shards.epoch, incarnation: shards.incarnation })
    .from(shards)
    .where(eq(shards.shard, shardOf(saleId)));
  if (epoch !== undefined && row?.epoch !== epoch) return "fenced";
  const { gate, sale } = saleKeys(saleId);
  const { sha } = shardScripts(row?.incarnation ?? "").state;
  const reply = await redis.evalsha(sha, 2, gate, sale, row?.epoch ?? 0, state);
  return reply === "set" || reply === "same" ? reply : "fenced";
}

const setInMysql = ({ db }: StateDeps, saleId: number, state: "open" | "paused") =>
  db.update(sales).set({ state }).where(eq(sales.id, saleId));

/**
 * Pauses a sale for what was found under `epoch`; after a recovery that says nothing of the sale any more, and it is
 * "fenced". Throws Redis's error, NOSCRIPT among them, and MySQL's.
 */
export async function pauseSale(
  deps: StateDeps,
  saleId: number,
  epoch: number,
): Promise<StateChange> {
  const change = await setInRedis(deps, saleId, "paused", epoch);
  if (change !== "fenced") await setInMysql(deps, saleId, "paused");
  return change;
}

/** Throws Redis's error, NOSCRIPT among them, and MySQL's. */
export async function openSale(deps: StateDeps, saleId: number): Promise<StateChange> {
  await setInMysql(deps, saleId, "open");
  return setInRedis(deps, saleId, "open");
}
