// The reading side of a process, without HTTP, and what happens around it: grants are made and recorded here
// by the same changes that the grab's script and the ledger's worker make, so that a test can look between
// any two of them. Two "processes" are two of these, which share nothing but Redis and MySQL.

import { eq, sql } from "drizzle-orm";
import { createLevels, type Levels } from "../../src/cache/levels.ts";
import { createWallet, type Wallet } from "../../src/classic/own-lists.ts";
import { createSales, type SaleFacts, type Sales } from "../../src/classic/sales.ts";
import { type DatabasePool, openPool } from "../../src/db/client.ts";
import type { RedisServer } from "../../src/embedded/redis.ts";
import { grants } from "../../src/ledger/table.ts";
import { limits } from "../../src/limits.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis, type Redis } from "../../src/redis/client.ts";
import { saleKeys } from "../../src/redis/keys.ts";
import { sales } from "../../src/sales/table.ts";
import { testCodes } from "./ledger.ts";
import { freshDatabase, startRedis, stopLater } from "./servers.ts";
import { until } from "./until.ts";

const log = createLog("silent");

export interface Servers {
  readonly redis: RedisServer;
  readonly databaseUrl: string;
}

export interface Reads {
  readonly redis: Redis;
  readonly pool: DatabasePool;
  readonly levels: Levels;
  readonly sales: Sales;
  readonly wallet: Wallet;
  /** Puts a sale into Redis without asking any gate; a test may replace its methods. */
  readonly warmer: { available(): boolean; warm(id: number): Promise<"warm" | "later"> };
  /** Queries sent to MySQL so far. */
  queries(): number;
}

/** A Redis and a database for one test file. */
export async function startServers(): Promise<Servers> {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  return { redis, databaseUrl: database.url };
}

/** A process. In these tests a seller's name is the seller's id. */
export async function startReads({ redis: server, databaseUrl }: Servers): Promise<Reads> {
  const redis = connectRedis(server.url, "reads", log);
  const pool = openPool(databaseUrl, limits.mysqlPoolConnections);
  const subscriber = connectRedis(server.url, "subscriber", log);
  const levels = createLevels({ redis, subscriber, log });
  levels.start();
  stopLater(async () => {
    await levels.stop();
    redis.disconnect();
    subscriber.disconnect();
    await pool.close();
  });
  await until("Redis", async () => (await redis.ping()) === "PONG");
  await until("trust", () => levels.isTrusted());
  let queries = 0;
  pool.pool.on("acquire", () => {
    queries += 1;
  });
  const warmer: Reads["warmer"] = {
    available: () => true,
    async warm(id) {
      const [row] = await pool.db.select().from(sales).where(eq(sales.id, id));
      const counters = { total: row?.total ?? 0, granted: 0, returned: 0, recorded: 0 };
      await redis.hset(saleKeys(id).sale, { state: "open", ...counters, limit: 1 });
      return "warm";
    },
  };
  const users = { find: async (name: string) => ({ id: Number(name) }) };
  return {
    ...{ redis, pool, levels, warmer },
    sales: createSales({ redis, db: pool.db, levels, users, warmer, codes: testCodes, log }),
    wallet: createWallet({ redis, db: pool.db, levels }),
    queries: () => queries,
  };
}

/** A process whose Redis has gone away. */
export async function startWithoutRedis(servers: Servers): Promise<Reads> {
  const lonely = await startReads(servers);
  lonely.redis.disconnect();
  return lonely;
}

let lastId = 1_000;
/** An id that no other user of this test file has. */
export const freshId = () => ++lastId;

/** Makes a sale of 100 units worth 500, "five off", of a seller and with a name of its own. */
export async function makeSale(
  on: Reads,
  input: { sellerId?: number; name?: string; amount?: number } = {},
): Promise<SaleFacts> {
  const sellerId = input.sellerId ?? freshId();
  const outcome = await on.sales.create({
    sellerId,
    sellerName: String(sellerId),
    name: input.name ?? `coupon ${freshId()}`,
    amount: input.amount ?? 100,
    faceValue: 500,
    description: "five off",
  });
  if (outcome.kind !== "created") throw new Error(outcome.kind);
  return outcome.sale;
}

/** What grab.lua does for a winner; returns the grant's number. */
export async function grantInRedis(on: Reads, saleId: number, userId: number): Promise<number> {
  const keys = saleKeys(saleId);
  const replies = await on.redis
    .multi()
    .hincrby(keys.sale, "granted", 1)
    .sadd(keys.unrecorded, saleId)
    .exec();
  const number = replies?.[0]?.[1] as number;
  await on.redis.hset(keys.winners, userId, number);
  return number;
}

/** What the ledger's worker does with a batch of one, without telling Redis. */
export async function recordInMysql(
  on: Reads,
  saleId: number,
  userId: number,
  number: number,
  userSlot: number | null = 1,
): Promise<void> {
  await on.pool.db.transaction(async (tx) => {
    const grantedAt = new Date();
    await tx
      .insert(grants)
      .values({ saleId, grantNo: number, userId, userSlot, epoch: 1, grantedAt });
    await tx
      .update(sales)
      .set({ granted: sql`GREATEST(${sales.granted}, ${number})` })
      .where(eq(sales.id, saleId));
  });
}

/** What the ledger's worker does when all grants of a sale are recorded. */
export const tellRedis = (on: Reads, saleId: number): Promise<number> =>
  on.redis.srem(saleKeys(saleId).unrecorded, saleId);
