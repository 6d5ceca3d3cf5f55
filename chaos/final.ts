// What is stored when all is calm, sale by sale.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { asc, eq } from "drizzle-orm";
import type { Database } from "../src/db/client.ts";
import { deadLetters, grants, recoveries, shards } from "../src/ledger/table.ts";
import type { Redis } from "../src/redis/client.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import type { Ledger } from "./conduct.ts";
import type { FinalSale } from "./rules.ts";

async function inRedis(redis: Redis, saleId: number): Promise<FinalSale["redis"]> {
  const keys = saleKeys(saleId);
  const [granted, returned, recorded] = await redis.hmget(
    keys.sale,
    ...["granted", "returned", "recorded"],
  );
  if (granted === null || granted === undefined) return undefined;
  const winners = Object.entries(await redis.hgetall(keys.winners));
  return {
    ...{ granted: Number(granted), returned: Number(returned), recorded: Number(recorded) },
    winners: new Map(winners.map(([user, number]) => [Number(user), Number(number)])),
  };
}

/** Each sale with its rows, one at a time. */
export async function* finalSales(db: Database, redis: Redis): AsyncGenerator<FinalSale> {
  for (const sale of await db.select().from(sales).orderBy(asc(sales.id))) {
    const { id, name, total, granted, returned } = sale;
    const rows = await db
      .select({ number: grants.grantNo, user: grants.userId, state: grants.state })
      .from(grants)
      .where(eq(grants.saleId, id));
    yield { name, total, granted, returned, rows, redis: await inRedis(redis, id) };
  }
}

/** What the ledger says of itself; all of it is also written into the run's folder. */
export async function finalLedger(
  db: Database,
  folder: string,
): Promise<Ledger & { recoveries: number }> {
  const letters = await db.select().from(deadLetters);
  const told = await db.select().from(recoveries);
  const burned = await db
    .select({ saleId: grants.saleId, number: grants.grantNo })
    .from(grants)
    .where(eq(grants.state, "void"));
  const all = {
    deadLetters: letters,
    burned,
    shards: await db.select().from(shards),
    recoveries: told,
  };
  writeFileSync(join(folder, "ledger.json"), JSON.stringify(all, undefined, 1));
  return {
    ...{ deadLetters: letters.length, voids: burned.length, recoveries: told.length },
    voidsReported: told.reduce((sum, { voids }) => sum + voids, 0),
  };
}
