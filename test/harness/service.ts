// What an integration test over HTTP looks at behind the service: rows, counters, and its own servers.

import { asc, eq, sql } from "drizzle-orm";
import { type Database, openPool, type PooledDatabase } from "../../src/db/client.ts";
import { grants } from "../../src/ledger/table.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis, type Redis } from "../../src/redis/client.ts";
import { saleKeys } from "../../src/redis/keys.ts";
import { sales } from "../../src/sales/table.ts";
import { stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface Behind {
  readonly redis: Redis;
  readonly db: PooledDatabase;
  /** The id of the coupon's sale; the newest, where two sellers have the same name. */
  saleIdOf(couponName: string): Promise<number>;
  /** Number and user of each grant of a sale in MySQL, by number. */
  rowsOf(saleId: number): Promise<{ number: number; user: number }[]>;
  /** How many units of a sale Redis has granted. */
  grantedInRedis(saleId: number): Promise<number>;
}

/** Connections past the service, to the servers that it uses. */
export async function behind(settings: {
  REDIS_URL: string;
  DATABASE_URL: string;
}): Promise<Behind> {
  const redis = connectRedis(settings.REDIS_URL, "reads", createLog("silent"));
  const { db, close } = openPool(settings.DATABASE_URL, 2);
  stopLater(async () => {
    redis.disconnect();
    await close();
  });
  await until("Redis", () => redis.status === "ready");
  return {
    redis,
    db,
    async saleIdOf(couponName) {
      const rows = await db.select({ id: sales.id }).from(sales).where(eq(sales.name, couponName));
      const id = rows.at(-1)?.id;
      if (id === undefined) throw new Error(`there is no sale ${couponName}`);
      return id;
    },
    rowsOf: (saleId) =>
      db
        .select({ number: grants.grantNo, user: grants.userId })
        .from(grants)
        .where(eq(grants.saleId, saleId))
        .orderBy(asc(grants.grantNo)),
    grantedInRedis: async (saleId) => Number(await redis.hget(saleKeys(saleId).sale, "granted")),
  };
}

/** Throws unless the rows are the numbers 1 … `count`, each of another user. */
export function assertRows(rows: readonly { number: number; user: number }[], count: number): void {
  const gap = rows.findIndex(({ number }, index) => number !== index + 1);
  if (gap >= 0) throw new Error(`number ${gap + 1} is missing or doubled`);
  const users = new Set(rows.map(({ user }) => user)).size;
  if (rows.length !== count || users !== count) {
    throw new Error(`${rows.length} rows of ${users} users instead of ${count}`);
  }
}

/** A status counter of the database server, such as Com_select. */
export async function databaseCounter(db: Database, name: string): Promise<number> {
  const [rows] = await db.execute(sql`SHOW GLOBAL STATUS LIKE ${name}`);
  return Number((rows as unknown as { Value: string }[])[0]?.Value);
}

/** How often each command was executed since the server started. */
export async function commandCounts(redis: Redis): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [, name = "", calls] of (await redis.info("commandstats")).matchAll(
    /cmdstat_(\S+?):calls=(\d+)/g,
  )) {
    counts.set(name, Number(calls));
  }
  return counts;
}
