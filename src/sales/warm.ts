// Putting a sale into Redis for the first time. `warmed_at` in MySQL is set before Redis learns of the sale:
// from then on its absence in Redis means loss, and recovery rebuilds it. The claim is one conditional UPDATE,
// so one process warms a sale once, and one that dies right after the claim leaves a case for recovery, never
// a sale that is warmed a second time with full stock.

import { and, asc, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import type { Gates } from "../grab/gates.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { allShards, saleKeys, shardOf } from "../redis/keys.ts";
import { beforePending, type SaleRow, saleFields, storedSale } from "./stored.ts";
import { sales } from "./table.ts";

export interface Warmer {
  /** False while no sale can be put into Redis at all. */
  available(): boolean;
  /**
   * Puts a sale into Redis if it was never there. "later" means that Redis or MySQL did not let it happen
   * now: the background pass or recovery will. Never throws for an outage.
   */
  warm(saleId: number): Promise<"warm" | "later">;
  /** Begins to look for sales that nobody has warmed; returns how to stop. */
  start(): () => void;
}

export function createWarmer({
  db,
  redis,
  gates,
  log,
}: {
  db: Database;
  redis: Redis;
  gates: Gates;
  log: Log;
}): Warmer {
  async function claim(saleId: number): Promise<SaleRow | undefined> {
    const [result] = await db
      .update(sales)
      .set({ warmedAt: sql`UTC_TIMESTAMP(3)` })
      .where(and(eq(sales.id, saleId), isNull(sales.warmedAt)));
    if (result.affectedRows === 0) return undefined;
    const sale = await storedSale(db, saleId);
    // A change that has begun since comes to Redis by itself.
    return sale && beforePending(sale);
  }

  async function warm(saleId: number): Promise<"warm" | "later"> {
    const gate = gates.at(shardOf(saleId));
    if (!gate) return "later";
    try {
      const sale = await claim(saleId);
      if (!sale) return "warm";
      const keys = saleKeys(saleId);
      const { sha } = gate.scripts.warm;
      const reply = await redis.evalsha(
        sha,
        2,
        keys.gate,
        keys.sale,
        String(gate.epoch),
        ...saleFields(sale),
      );
      if (reply !== "fenced") return "warm";
      gates.close(shardOf(saleId), gate, "warming was fenced");
    } catch (error) {
      gates.notice(shardOf(saleId), gate, error);
      log.warn({ saleId, reason: reasonOf(error) }, "a sale is not warm yet");
    }
    return "later";
  }

  async function warmForgotten(): Promise<void> {
    // Only what can be warmed now: the sales of a closed shard must not stand before those of the others.
    const open = allShards.filter((shard) => gates.at(shard));
    if (open.length === 0) return;
    const cold = await db
      .select({ id: sales.id })
      .from(sales)
      .where(and(isNull(sales.warmedAt), inArray(sql`${sales.id} % ${limits.shards}`, open)))
      // What opens first comes first; what has no opening is open.
      .orderBy(asc(sales.opensAt), asc(sales.id))
      .limit(limits.warmSalesPerPass);
    for (const { id } of cold) await warm(id);
  }

  return {
    available: () => gates.openCount() > 0,
    warm,
    start() {
      let passing = false;
      const timer = setInterval(() => {
        if (passing) return;
        passing = true;
        warmForgotten()
          .catch((error) => log.warn({ reason: reasonOf(error) }, "looking for cold sales failed"))
          .finally(() => {
            passing = false;
          });
      }, limits.warmPassMs);
      return () => clearInterval(timer);
    },
  };
}
