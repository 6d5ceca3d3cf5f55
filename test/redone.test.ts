// A recovery that fails on its way, after it has written what the stream still held: the next one must see all that
// the first has seen, though the stream tells it nothing any more. No process knows of the grants.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Database, openPool } from "../src/db/client.ts";
import { shardScripts } from "../src/grab/scripts.ts";
import type { LedgerContext } from "../src/ledger/context.ts";
import { grants } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { recover } from "../src/recovery/recover.ts";
import { WitnessStand } from "../src/recovery/witness.ts";
import { saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { counterOf, ledgerContext, newSale, rowsOf, shardRow } from "./harness/ledger.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";

let db: Database;
/** A leader that comes to its end, and one that fails when it asks its own process what it has confirmed. */
let whole: LedgerContext;
let failing: LedgerContext;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const servers = { redisUrl: redis.url, databaseUrl: database.url };
  const pool = openPool(database.url, 4);
  stopLater(() => pool.close());
  db = pool.db;
  whole = await ledgerContext(servers, "leader");
  failing = await ledgerContext(servers, "failing leader", {
    witnessed: () => Promise.reject(new Error("nobody is there")),
  });
});
afterAll(stopEverything);

const lead = (context: LedgerContext, saleId: number) =>
  recover(context, new WitnessStand(context), {
    ...{ shard: shardOf(saleId), reason: "test", adoptable: () => Promise.resolve(false) },
  });

/** A sale that is in both stores, and then has these winners, an entry for each, in Redis alone. */
async function soldInRedis(users: readonly number[]): Promise<number> {
  const saleId = await newSale(db, { total: 30, warmedAt: new Date() });
  expect(await lead(whole, saleId)).toBe("recovered");
  const { epoch, incarnation } = await shardRow(db, shardOf(saleId));
  const { grab } = shardScripts(incarnation);
  const { gate, sale, winners, ledger, unrecorded } = saleKeys(saleId);
  for (const [index, user] of users.entries()) {
    const keys = [gate, sale, winners, ledger, unrecorded];
    const args = [epoch, limits.backlogGrantsMax, saleId, user, ""];
    const reply = await whole.redis.evalsha(grab.sha, keys.length, ...keys, ...args);
    expect(reply).toEqual([`granted ${index + 1} 1`]);
  }
  return saleId;
}

/** One leader fails after the stream is in MySQL; the next one comes to its end. */
async function recoverTwice(saleId: number): Promise<void> {
  await expect(lead(failing, saleId)).rejects.toThrow("nobody is there");
  const { ledger } = shardKeys(shardOf(saleId));
  const [last] = await whole.redis.xrevrange(ledger, "+", "-", "COUNT", 1);
  expect((await shardRow(db, shardOf(saleId))).lastId).toBe(last?.[0] ?? "");
  expect(await lead(whole, saleId)).toBe("recovered");
}

test("a hole in the ledger is seen by the next leader: what the winners say is recorded", async () => {
  const saleId = await soldInRedis([11, 12, 13, 14, 15, 16]);
  const entries = await whole.redis.xrange(shardKeys(shardOf(saleId)).ledger, "-", "+");
  // The first is the marker; those of the numbers 3 and 4 are lost.
  for (const at of [3, 4]) await whole.redis.xdel(saleKeys(saleId).ledger, entries[at]?.[0] ?? "");
  await recoverTwice(saleId);
  expect(await rowsOf(db, saleId)).toEqual(
    [11, 12, 13, 14, 15, 16].map((user, i) => [i + 1, user]),
  );
  expect(await counterOf(db, saleId)).toEqual({ granted: 6, returned: 0 });
});

test("a number that nobody knows is void, whoever leads to the end", async () => {
  const saleId = await soldInRedis([11, 12, 13]);
  const { ledger, winners } = saleKeys(saleId);
  const entries = await whole.redis.xrange(ledger, "-", "+");
  await whole.redis.xdel(ledger, entries.at(-2)?.[0] ?? "");
  // Another one stands for user 12 in the count of winners.
  await whole.redis.hdel(winners, "12");
  await whole.redis.hset(winners, "99", "3");
  await recoverTwice(saleId);
  expect((await rowsOf(db, saleId)).map(([, user]) => user)).toEqual([11, 0, 13]);
  expect(await whole.redis.hgetall(winners)).toEqual({ 11: "1", 13: "3" });
});

test("a claim that MySQL has refused is known to the next leader, though the two stores count the same", async () => {
  const saleId = await soldInRedis([11, 12, 13]);
  const taken = { userId: 99, userSlot: 1, epoch: 1, grantedAt: new Date() };
  await db.insert(grants).values({ saleId, grantNo: 2, ...taken });
  await recoverTwice(saleId);
  expect(await rowsOf(db, saleId)).toEqual([
    [1, 11],
    [2, 99],
    [3, 13],
  ]);
  expect(await whole.redis.hgetall(saleKeys(saleId).winners)).toEqual({
    ...{ 11: "1", 13: "3", 99: "2" },
  });
});
