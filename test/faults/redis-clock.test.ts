// The clock of Redis's host jumps back an hour (B37). Stream ids are made of that clock, and the ledger's cursor is
// one of them: an entry with a smaller id would never be read.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findRedis } from "../../src/embedded/programs.ts";
import { compareIds } from "../../src/ledger/entry.ts";
import { shardKeys, shardOf } from "../../src/redis/keys.ts";
import { type Engine, latestRecovery, startEngine } from "../harness/engine.ts";
import { type MovedClock, mayMoveClockOf, movedClock } from "../harness/faketime.ts";
import { shardRow } from "../harness/ledger.ts";
import { Customers } from "../harness/promises.ts";
import { freshDatabase, startRedis, stopEverything } from "../harness/servers.ts";

const HOUR_SECONDS = 3_600;

afterAll(stopEverything);

describe.skipIf(!mayMoveClockOf(findRedis() ?? ""))("the clock of Redis jumps back an hour", () => {
  let clock: MovedClock;
  let engine: Engine;

  beforeAll(async () => {
    clock = movedClock();
    const [redis, database] = await Promise.all([
      startRedis({ through: clock.through }),
      freshDatabase(),
    ]);
    engine = await startEngine({ redisUrl: redis.url, databaseUrl: database.url });
  });

  const jumpBack = async () => {
    const before = Number((await engine.redis.time())[0]);
    clock.set(-HOUR_SECONDS);
    expect(Number((await engine.redis.time())[0])).toBeLessThan(before - HOUR_SECONDS + 60);
  };
  const cursorOf = async (saleId: number) =>
    (await shardRow(engine.pool.db, shardOf(saleId))).lastId;

  test("in mid-sale: entries go on behind the cursor, and every grant is recorded", async () => {
    clock.set(0);
    const saleId = await engine.sale(100);
    const customers = new Customers(saleId);
    expect(await customers.crowd(engine, [1, 40])).toBe(40);
    await customers.assertKept(engine, 100);
    const cursor = await cursorOf(saleId);
    await jumpBack();
    expect(await customers.crowd(engine, [1, 120])).toBe(100);
    await customers.assertKept(engine, 100);
    expect(compareIds(await cursorOf(saleId), cursor)).toBeGreaterThan(0);
    expect(customers.answers.map(({ kind }) => kind)).not.toContain("unavailable");
  });

  test("and Redis is emptied: new entries come behind the cursor of the faster clock", async () => {
    clock.set(0);
    const saleId = await engine.sale(100);
    const customers = new Customers(saleId);
    expect(await customers.crowd(engine, [1, 40])).toBe(40);
    await customers.assertKept(engine, 100);
    await jumpBack();
    for (const last of [70, 120]) {
      const cursor = await cursorOf(saleId);
      await engine.redis.flushall();
      expect(await customers.crowd(engine, [1, last])).toBe(Math.min(last, 100));
      await customers.assertKept(engine, 100);
      expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 1, voids: 0 });
      const { ledger } = shardKeys(shardOf(saleId));
      const info = (await engine.redis.xinfo("STREAM", ledger)) as string[];
      const newest = info[info.indexOf("last-generated-id") + 1] ?? "";
      expect(compareIds(newest, cursor)).toBeGreaterThan(0);
    }
  });
});
