// A Redis whose counters agree with MySQL's and whose contents do not: another past, other winners, other states.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { deadLetters, grants, recoveries } from "../src/ledger/table.ts";
import { saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import {
  crowd,
  type Engine,
  latestRecovery,
  startEngine,
  stopWriting,
  untilRows,
} from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers);
});
afterAll(stopEverything);

/** A sale with these winners, all of them recorded. */
async function soldSale(
  winners: number,
): Promise<{ saleId: number; confirmed: [number, number][] }> {
  const saleId = await engine.sale(30);
  const confirmed = await crowd(engine, saleId, [1, winners]);
  await untilRows(engine, saleId, confirmed);
  await until("Redis to hear of it", async () => {
    return (await engine.counters(saleId)).recorded === String(winners);
  });
  return { saleId, confirmed };
}

describe("the counters agree", () => {
  test("and a Redis that was left behind says who won: MySQL's winners stand, the other claim is reported", async () => {
    const { saleId, confirmed } = await soldSale(5);
    const { gate } = shardKeys(shardOf(saleId));
    const { winners } = saleKeys(saleId);
    // Its past, in which number 5 was user 99's, is that of an epoch that others have gone beyond.
    await engine.redis.hset(gate, { opened: "0", restored: "0" });
    await engine.redis.hdel(winners, String(confirmed.find(([number]) => number === 5)?.[1]));
    await engine.redis.hset(winners, { 99: "5" });
    await engine.redis.script("FLUSH");
    expect(await engine.grabSurely(saleId, 99)).toEqual({ kind: "granted", number: 6 });
    expect(await crowd(engine, saleId, [1, 5])).toEqual(confirmed);
    const letters = await engine.pool.db
      .select()
      .from(deadLetters)
      .where(eq(deadLetters.saleId, saleId));
    expect(letters).toHaveLength(1);
    expect(letters[0]).toMatchObject({ grantNo: 5 });
    expect(letters[0]?.payload).toContain('"userId":99');
  });

  test("and the last recovery came to its end without opening the gate: nothing is rebuilt", async () => {
    const { saleId } = await soldSale(5);
    const { gate } = shardKeys(shardOf(saleId));
    // As if Redis had been restarted just before the gate was opened.
    await engine.redis.hset(gate, { opened: "0", state: "closed" });
    await engine.redis.script("FLUSH");
    expect(await engine.grabSurely(saleId, 8)).toEqual({ kind: "granted", number: 6 });
    expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 0 });
  });

  test("and an entry claims a number that MySQL has given to somebody else: the sale is looked at whole", async () => {
    const { saleId, confirmed } = await soldSale(5);
    const { ledger } = shardKeys(shardOf(saleId));
    const { winners } = saleKeys(saleId);
    const fields = ["kind", "grant", "sale", String(saleId), "epoch", "1", "at", "1800000000000"];
    const claim = ["first", "5", "users", "99", "granted", "5", "returned", "0"];
    await engine.redis.hdel(winners, String(confirmed.find(([number]) => number === 5)?.[1]));
    await engine.redis.hset(winners, { 99: "5" });
    // Recovery is to meet it, not the writer.
    await stopWriting([engine], saleId);
    await engine.redis.xadd(ledger, "*", ...fields, ...claim);
    await engine.redis.script("FLUSH");
    expect(await engine.grabSurely(saleId, 99)).toMatchObject({ kind: "granted" });
    expect(await crowd(engine, saleId, [1, 5])).toEqual(confirmed);
  });

  test("and Redis sells what MySQL has paused: it is paused after the recovery", async () => {
    const { saleId } = await soldSale(5);
    await engine.pool.db.update(sales).set({ state: "paused" }).where(eq(sales.id, saleId));
    await engine.redis.script("FLUSH");
    expect(await engine.grabSurely(saleId, 6)).toEqual({ kind: "paused" });
  });
});

test("voids that a leader wrote before it died are reported by the next one", async () => {
  const { saleId } = await soldSale(5);
  const before = await latestRecovery(engine, saleId);
  const now = new Date();
  const voided = { userId: 0, userSlot: null, grantedAt: now, returnedAt: now, state: "void" };
  await engine.pool.db
    .insert(grants)
    .values(
      [6, 7].map((grantNo) => ({ saleId, grantNo, epoch: (before?.epochTo ?? 0) + 1, ...voided })),
    );
  await engine.redis.script("FLUSH");
  expect(await engine.grabSurely(saleId, 8)).toEqual({ kind: "granted", number: 8 });
  expect(await latestRecovery(engine, saleId)).toMatchObject({ voids: 2 });
  const all = await engine.pool.db.select().from(recoveries);
  expect(all.reduce((sum, row) => sum + row.voids, 0)).toBe(2);
});

test("a new sale that is grabbed while it is being warmed is no loss", async () => {
  const saleId = await engine.sale(30);
  const before = await latestRecovery(engine, saleId);
  const { sale } = saleKeys(saleId);
  const fields = await engine.redis.hgetall(sale);
  // MySQL has been told, and the call to Redis is still on its way.
  await engine.pool.db.update(sales).set({ warmedAt: new Date() }).where(eq(sales.id, saleId));
  await engine.redis.del(sale);
  expect(await engine.grab(saleId, 1)).toMatchObject({ reason: "recovering" });
  await engine.redis.hset(sale, fields);
  expect(await engine.grabSurely(saleId, 1)).toEqual({ kind: "granted", number: 1 });
  expect(await latestRecovery(engine, saleId)).toEqual(before);
});
