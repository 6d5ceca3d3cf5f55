// The servers stand still, go away, or are set up wrongly while the engine runs.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isNotNull, sql } from "drizzle-orm";
import { migrate } from "../src/db/migrate.ts";
import type { RedisServer } from "../src/embedded/redis.ts";
import { processes, shards } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { shardOf } from "../src/redis/keys.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { rowsOf } from "./harness/ledger.ts";
import { startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let mysql: Awaited<ReturnType<typeof startMysql>>;
let engine: Engine;

beforeAll(async () => {
  [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  await migrate(mysql.url);
  engine = await startEngine({ redisUrl: redis.url, databaseUrl: mysql.url });
});
afterAll(stopEverything);

const shardStatus = (saleId: number) => engine.thread.status()?.shards[shardOf(saleId)];

describe("MySQL", () => {
  test("is killed: grabs go on, and all rows are there when it is back", async () => {
    const saleId = await engine.sale(200);
    const before = await crowd(engine, saleId, [1, 50]);
    await mysql.process.kill("SIGKILL");
    const during = await crowd(engine, saleId, [51, 150]);
    expect(during).toHaveLength(100);
    await until("the status to say so", () => engine.thread.status()?.mysql !== "ok");
    expect((await engine.counters(saleId)).recorded).not.toBe("150");
    await mysql.process.start();
    await untilRows(engine, saleId, [...before, ...during]);
    await until("the backlog to be gone", async () => {
      return (await engine.counters(saleId)).recorded === "150" && shardStatus(saleId)?.lagMs === 0;
    });
  });

  test("is away while Redis has lost something: the gate stays closed until it is back", async () => {
    const saleId = await engine.sale(100);
    const confirmed = await crowd(engine, saleId, [1, 20]);
    await untilRows(engine, saleId, confirmed);
    await mysql.process.kill("SIGKILL");
    await engine.redis.flushall();
    expect(await engine.grab(saleId, 21)).toMatchObject({ reason: "recovering" });
    await until("a reason why it is closed", () => shardStatus(saleId)?.closed);
    expect(await engine.grab(saleId, 21)).toMatchObject({ reason: "recovering" });
    expect(await engine.counters(saleId)).toEqual({});
    await mysql.process.start();
    const again = await crowd(engine, saleId, [1, 21]);
    expect(again).toEqual([...confirmed, [21, 21]]);
  });
});

describe("Redis", () => {
  test("hangs: an attempt has no known outcome in time, the next one has, and nothing is sold twice", async () => {
    const saleId = await engine.sale(100);
    await engine.grabSurely(saleId, 1);
    const pid = redis.process.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      const startedAt = performance.now();
      const outcomes = await Promise.all([2, 3].map((user) => engine.grab(saleId, user)));
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: "unknown" });
      expect(performance.now() - startedAt).toBeLessThan(2 * limits.redisCommandTimeoutMs);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    const confirmed = await crowd(engine, saleId, [1, 10]);
    const numbers = confirmed.map(([number]) => number).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    await untilRows(engine, saleId, confirmed);
  });

  test.each([
    ["appendfsync", "everysec", "always"],
    ["maxmemory-policy", "allkeys-lru", "noeviction"],
  ])(
    "with %s set to %s is not believed after a loss until that is mended",
    async (name, wrong, right) => {
      const saleId = await engine.sale(10);
      await engine.grabSurely(saleId, 1);
      await engine.redis.config("SET", name, wrong);
      await engine.redis.script("FLUSH");
      expect(await engine.grab(saleId, 2)).toMatchObject({ reason: "recovering" });
      await until(`the reason ${name}`, () => shardStatus(saleId)?.closed?.includes(name));
      expect(await engine.grab(saleId, 2)).toMatchObject({ reason: "recovering" });
      await engine.redis.config("SET", name, right);
      expect(await engine.grabSurely(saleId, 2)).toEqual({ kind: "granted", number: 2 });
    },
  );

  test("is full: grabs are refused, and what was granted before is recorded all the same", async () => {
    const saleId = await engine.sale(10);
    await engine.pool.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT id FROM sales WHERE id = ${saleId} FOR UPDATE`);
      await engine.grabSurely(saleId, 1);
      await engine.redis.config("SET", "maxmemory", "1mb");
    });
    try {
      expect(await engine.grab(saleId, 2)).toMatchObject({ kind: "unavailable" });
      await until("the grant to be recorded", async () => {
        return (await engine.counters(saleId)).recorded === "1";
      });
    } finally {
      await engine.redis.config("SET", "maxmemory", "0");
    }
    expect(await engine.grabSurely(saleId, 2)).toEqual({ kind: "granted", number: 2 });
  });

  test("is a replica: no shard is opened on it until it is a primary again", async () => {
    const saleId = await engine.sale(10);
    await engine.grabSurely(saleId, 1);
    await engine.redis.script("FLUSH");
    await engine.redis.replicaof("127.0.0.1", "1");
    expect(await engine.grab(saleId, 2)).toMatchObject({ reason: "recovering" });
    await until("a reason why it is closed", () => shardStatus(saleId)?.closed);
    await engine.redis.replicaof("NO", "ONE");
    expect(await engine.grabSurely(saleId, 2)).toEqual({ kind: "granted", number: 2 });
  });
});

test("draining writes what is left, gives the leases back, and says goodbye", async () => {
  const saleId = await engine.sale(300);
  const confirmed = await crowd(engine, saleId, [1, 300]);
  await engine.thread.drain();
  expect(await rowsOf(engine.pool.db, saleId)).toHaveLength(confirmed.length);
  const held = await engine.pool.db.$count(shards, isNotNull(shards.leaseOwner));
  expect([held, await engine.pool.db.$count(processes)]).toEqual([0, 0]);
});
