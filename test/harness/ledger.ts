// The ledger's side of MySQL for tests: sales, entries as grab.lua writes them, and what became of them.

import { asc, eq, sql } from "drizzle-orm";
import { createCouponCodes } from "../../src/coupons/code.ts";
import { coupons } from "../../src/coupons/table.ts";
import {
  type Database,
  type DatabaseConnection,
  openConnection,
  openPool,
} from "../../src/db/client.ts";
import type { LedgerContext } from "../../src/ledger/context.ts";
import { type LedgerEntry, parseEntry } from "../../src/ledger/entry.ts";
import { createLedgerMetrics } from "../../src/ledger/metrics.ts";
import type { FromWorker } from "../../src/ledger/protocol.ts";
import { deadLetters, grants, shards } from "../../src/ledger/table.ts";
import { writeBatch } from "../../src/ledger/writer.ts";
import { limits } from "../../src/limits.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis } from "../../src/redis/client.ts";
import { sales } from "../../src/sales/table.ts";
import { TEST_CODE_SECRET } from "./api.ts";
import { freshDatabase, stopLater } from "./servers.ts";
import { until } from "./until.ts";

let names = 0;

/** The codes of coupons, as every process of a test file makes them. */
export const testCodes = createCouponCodes([TEST_CODE_SECRET]);

/** A new sale in MySQL that nobody has warmed; gives its id. `fields` win over an open sale of limit one. */
export async function newSale(
  db: Database,
  fields: Partial<typeof sales.$inferInsert> = {},
): Promise<number> {
  const name = `sale ${++names}`;
  const nameKey = String(names).padStart(64, "0");
  const [row] = await db
    .insert(sales)
    .values({ sellerId: 1, templateId: 1, name, nameKey, total: 1_000_000, ...fields })
    .$returningId();
  if (!row) throw new Error("no id");
  return row.id;
}

/** Winners as they stand in an entry: a user, or `user:slot:keyhash`. */
export type Winners = readonly (number | string)[];

/** One ledger entry, written as grab.lua writes it and read as the worker reads it; `changes` break it. */
export function entryOf(
  id: string,
  saleId: number,
  first: number,
  winners: Winners,
  changes: Record<string, string> = {},
): LedgerEntry {
  const fields = {
    ...{ kind: "grant", sale: String(saleId), epoch: "1", at: "1800000000123" },
    ...{ first: String(first), users: winners.join(",") },
    ...{ granted: String(first + winners.length - 1), returned: "0" },
    ...changes,
  };
  return parseEntry([id, Object.entries(fields).flat()]);
}

/** Number and user of each grant of a sale in MySQL, by number. */
export async function rowsOf(db: Database, saleId: number): Promise<[number, number][]> {
  const rows = await db
    .select({ number: grants.grantNo, user: grants.userId })
    .from(grants)
    .where(eq(grants.saleId, saleId))
    .orderBy(asc(grants.grantNo));
  return rows.map(({ number, user }) => [number, user]);
}

/** Number, user and code of each coupon of a sale, by number. */
export async function couponsOf(db: Database, saleId: number): Promise<[number, number, string][]> {
  const rows = await db
    .select({ number: coupons.grantNo, user: coupons.userId, code: coupons.code })
    .from(coupons)
    .where(eq(coupons.saleId, saleId))
    .orderBy(asc(coupons.grantNo));
  return rows.map(({ number, user, code }) => [number, user, code]);
}

/** A shard's dead letters in the order of their sale and number. */
export const lettersOf = (db: Database, shard: number) =>
  db
    .select()
    .from(deadLetters)
    .where(eq(deadLetters.shard, shard))
    .orderBy(asc(deadLetters.saleId), asc(deadLetters.grantNo));

/** Sale and number of each of them. */
export const buriedOf = async (db: Database, shard: number): Promise<[number, number][]> =>
  (await lettersOf(db, shard)).map(({ saleId, grantNo }) => [saleId, grantNo]);

export async function shardRow(db: Database, shard: number) {
  const [row] = await db
    .select({ row: shards, expired: sql<number | null>`${shards.leaseUntil} < NOW(3)` })
    .from(shards)
    .where(eq(shards.shard, shard));
  if (!row) throw new Error(`there is no shard ${shard}`);
  return { ...row.row, expired: row.expired === 1 };
}

export async function counterOf(db: Database, saleId: number) {
  const [row] = await db
    .select({ granted: sales.granted, returned: sales.returned })
    .from(sales)
    .where(eq(sales.id, saleId));
  return row;
}

/** A connection to a new database, for the whole test file. */
export async function connectToFresh(): Promise<DatabaseConnection & { readonly url: string }> {
  const { url } = await freshDatabase();
  return { ...(await connectTo(url)), url };
}

/** One more connection, which may be gone before the test file ends. */
export async function connectTo(url: string): Promise<DatabaseConnection> {
  const connection = await openConnection(url);
  stopLater(() => connection.close().catch(() => connection.destroy()));
  return connection;
}

/** Who has the shards that `freshShard` makes. */
export const WRITER = "this process";
let lastShard = 100;

/** A shard for one test, whose lease this connection has. */
export async function freshShard({ db, threadId }: DatabaseConnection): Promise<number> {
  const shard = ++lastShard;
  const lease = { leaseOwner: WRITER, connectionId: threadId };
  await db.insert(shards).values({ shard, ...lease, incarnation: "x" });
  return shard;
}

/** The shard's entries come again from the first one, as after a restored backup. */
export const rewind = (db: Database, shard: number) =>
  db.update(shards).set({ lastId: "0-0" }).where(eq(shards.shard, shard));

/** Writes a batch of a shard that is the writer's; throws when it is not. */
export async function writeOwn(
  { db, threadId }: DatabaseConnection,
  shard: number,
  entries: LedgerEntry[],
  { codes = testCodes, overGaps = false } = {},
) {
  const result = await writeBatch(
    db,
    { owner: WRITER, connectionId: threadId, shard, codes },
    entries,
    { overGaps },
  );
  if (result.kind !== "written") throw new Error(result.kind);
  return result;
}

interface ContextOptions {
  ledgerKeepMs?: number;
  witnessed?: LedgerContext["witnessed"];
}

/** What a ledger thread works with, for a process of this name; `posted` is what it told its main thread. */
export async function ledgerContext(
  servers: { redisUrl: string; databaseUrl: string },
  processId: string,
  { ledgerKeepMs = 0, witnessed = () => Promise.resolve([]) }: ContextOptions = {},
): Promise<LedgerContext & { posted: FromWorker[] }> {
  const log = createLog("silent");
  const redis = connectRedis(servers.redisUrl, "worker", log);
  const pool = openPool(servers.databaseUrl, limits.ledgerPoolConnections);
  const stop = new AbortController();
  const posted: FromWorker[] = [];
  stopLater(async () => {
    stop.abort();
    redis.disconnect();
    await pool.close();
  });
  await until("Redis", () => redis.status === "ready");
  return {
    settings: {
      ...{ ...servers, durability: "durable", ledgerKeepMs, logLevel: "silent", processId },
      codeSecrets: [TEST_CODE_SECRET],
    },
    codes: testCodes,
    ...{ log, redis, pool, metrics: createLedgerMetrics(), stopping: stop.signal, posted },
    post: (message) => void posted.push(message),
    ...{ witnessed, enrolled: Promise.resolve(), heart: { isSteady: true } },
  };
}
