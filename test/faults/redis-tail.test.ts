// Power loss (B15, B16): Redis is killed, and its append-only file lacks what the disk had not taken yet. What a
// living process has confirmed is there again; what nobody alive knows is void, and reported by number.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync } from "node:fs";
import type { RedisServer } from "../../src/embedded/redis.ts";
import { blocksOf, cutTail, lastIncrement, sizeOf } from "../harness/aof.ts";
import { type Engine, latestRecovery, startEngine, stopWriting } from "../harness/engine.ts";
import { Customers } from "../harness/promises.ts";
import { freshDatabase, startRedis, stopEverything } from "../harness/servers.ts";

afterAll(stopEverything);

describe("in fast mode", () => {
  let redis: RedisServer;
  let engine: Engine;

  beforeAll(async () => {
    const [server, database] = await Promise.all([
      startRedis({ durability: "fast" }),
      freshDatabase(),
    ]);
    redis = server;
    const servers = { redisUrl: redis.url, databaseUrl: database.url };
    engine = await startEngine(servers, { durability: "fast" });
  });

  test.each(["between", "inside"] as const)(
    "the last second is lost, cut %s blocks: what the living process confirmed is restored",
    async (where) => {
      const saleId = await engine.sale(100);
      const customers = new Customers(saleId);
      expect(await customers.crowd(engine, [1, 30])).toBe(30);
      await customers.assertKept(engine, 100);
      await stopWriting([engine], saleId);
      const file = await lastIncrement(engine.redis);
      const synced = sizeOf(file);
      expect(await customers.crowd(engine, [31, 60])).toBe(30);

      await redis.process.kill("SIGKILL");
      cutTail(file, synced, where);
      await redis.process.start();

      expect(await customers.crowd(engine, [1, 200])).toBe(100);
      await customers.assertKept(engine, 100);
      expect(await latestRecovery(engine, saleId)).toMatchObject({ grantsRestored: 30, voids: 0 });
    },
  );
});

test("in durable mode all that was confirmed is on the disk: a torn write behind it is dropped", async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const engine = await startEngine({ redisUrl: redis.url, databaseUrl: database.url });
  const saleId = await engine.sale(100);
  const customers = new Customers(saleId);
  await stopWriting([engine], saleId);
  expect(await customers.crowd(engine, [1, 40])).toBe(40);
  const file = await lastIncrement(engine.redis);

  await redis.process.kill("SIGKILL");
  // The write that was under way: a grab that nobody has been told of, up to its middle.
  const grab = blocksOf(file).findLast(({ text }) => text.includes("XADD"))?.text ?? "";
  appendFileSync(file, grab.slice(0, grab.length / 2), "latin1");
  await redis.process.start();

  expect(await customers.crowd(engine, [1, 140])).toBe(100);
  await customers.assertKept(engine, 100);
  expect(await latestRecovery(engine, saleId)).toMatchObject({
    ...{ salesRebuilt: 0, grantsRestored: 0, voids: 0 },
  });
});
