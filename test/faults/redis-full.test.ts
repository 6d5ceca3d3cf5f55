// The disk under Redis is full (B21, B22), on a small file system of its own; and Redis's memory is (B23).

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Durability } from "../../src/config.ts";
import { saleKeys, shardOf } from "../../src/redis/keys.ts";
import { mayMountDisks, mountSmallDisk } from "../harness/disk.ts";
import { type Engine, latestRecovery, startEngine } from "../harness/engine.ts";
import { Customers } from "../harness/promises.ts";
import {
  freshDatabase,
  freshFolder,
  startRedis,
  startStores,
  stopEverything,
  stopLater,
} from "../harness/servers.ts";
import { until } from "../harness/until.ts";

afterAll(stopEverything);

async function startOnSmallDisk(durability: Durability) {
  const folder = freshFolder("small");
  const disk = mountSmallDisk(folder, 4 * 1024 * 1024);
  stopLater(async () => disk.unmount());
  const [redis, database] = await Promise.all([
    startRedis({ durability, folder }),
    freshDatabase(),
  ]);
  const servers = { redisUrl: redis.url, databaseUrl: database.url };
  return { redis, disk, engine: await startEngine(servers, { durability }) };
}

/** More and more users grab until `over`; gives the last of them. */
async function crowdUntil(
  what: string,
  customers: Customers,
  engine: Engine,
  over: () => boolean | Promise<boolean>,
): Promise<number> {
  let user = 100;
  await until(what, async () => {
    await Promise.all(Array.from({ length: 64 }, () => customers.ask(engine, ++user)));
    return over();
  });
  return user;
}

describe("the disk is full", () => {
  test.skipIf(!mayMountDisks())(
    "in durable mode Redis ends itself: 503, and with room again all that was confirmed is there",
    async () => {
      const { redis, engine, disk } = await startOnSmallDisk("durable");
      const customers = new Customers(await engine.sale(5_000));
      expect(await customers.crowd(engine, [1, 100])).toBe(100);
      const free = disk.fill(16_384);
      const ended = () => redis.process.pid === undefined;
      const last = await crowdUntil("Redis to end", customers, engine, ended);
      expect(await customers.ask(engine, last)).toMatchObject({ kind: "unavailable" });
      free();
      await redis.process.start();
      expect(await customers.crowd(engine, [1, last])).toBe(last);
      await customers.assertKept(engine, 5_000);
    },
  );

  test.skipIf(!mayMountDisks())(
    "in fast mode Redis refuses writes: 503, and it goes on by itself once there is room",
    async () => {
      const { redis, engine, disk } = await startOnSmallDisk("fast");
      const customers = new Customers(await engine.sale(5_000));
      expect(await customers.crowd(engine, [1, 100])).toBe(100);
      const { pid } = redis.process;
      const free = disk.fill(16_384);
      const refused = async () =>
        (await engine.redis.info("persistence")).includes("aof_last_write_status:err");
      const last = await crowdUntil("writes to be refused", customers, engine, refused);
      expect(await customers.ask(engine, last + 1)).toMatchObject({ kind: "unavailable" });
      free();
      expect(await customers.crowd(engine, [1, last])).toBe(last);
      expect(redis.process.pid).toBe(pid ?? 0);
      await customers.assertKept(engine, 5_000);
    },
  );
});

describe("the memory is full", () => {
  let engine: Engine;
  beforeAll(async () => {
    const { servers } = await startStores();
    engine = await startEngine(servers);
  });
  const memory = (text: string) => engine.redis.config("SET", "maxmemory", text);

  test("in mid-sale: 503 and nothing half done, and the sale goes on when there is room", async () => {
    const saleId = await engine.sale(300);
    const customers = new Customers(saleId);
    expect(await customers.crowd(engine, [1, 50])).toBe(50);
    const storm = customers.crowd(engine, [51, 400]);
    await memory("1mb");
    await customers.assertKept(engine, 300);
    const keys = saleKeys(saleId);
    const seen = async () => [
      await engine.counters(saleId),
      await engine.redis.hlen(keys.winners),
      (await engine.redis.xrevrange(keys.ledger, "+", "-", "COUNT", 1))[0]?.[0],
    ];
    const before = await seen();
    for (const user of [900, 901]) {
      expect(await customers.ask(engine, user)).toMatchObject({ kind: "unavailable" });
    }
    expect(await seen()).toEqual(before);
    await memory("0");
    await storm;
    expect(await customers.crowd(engine, [1, 400])).toBe(300);
    await customers.assertKept(engine, 300);
  });

  test("and Redis forgets its scripts: recovery passes, and the sale goes on when there is room", async () => {
    const saleId = await engine.sale(100);
    const customers = new Customers(saleId);
    expect(await customers.crowd(engine, [1, 50])).toBe(50);
    await customers.assertKept(engine, 100);
    const epoch = engine.gates.at(shardOf(saleId))?.epoch ?? 0;
    await memory("1mb");
    await engine.redis.script("FLUSH");
    expect(await customers.ask(engine, 51)).toMatchObject({ reason: "recovering" });
    const recovery = await until("a recovery without room", async () => {
      const latest = await latestRecovery(engine, saleId);
      return latest?.epochTo === epoch + 1 ? latest : undefined;
    });
    expect(recovery).toMatchObject({ salesRebuilt: 0, voids: 0 });
    expect(await customers.ask(engine, 51)).toMatchObject({ kind: "unavailable" });
    await memory("0");
    expect(await customers.crowd(engine, [1, 150])).toBe(100);
    expect(engine.gates.at(shardOf(saleId))?.epoch).toBe(epoch + 1);
    await customers.assertKept(engine, 100);
  });

  test("and Redis has lost a sale: it stays closed until there is room to rebuild it", async () => {
    const saleId = await engine.sale(100);
    const customers = new Customers(saleId);
    expect(await customers.crowd(engine, [1, 50])).toBe(50);
    await customers.assertKept(engine, 100);
    await memory("1mb");
    const keys = saleKeys(saleId);
    await engine.redis.unlink(keys.sale, keys.winners);
    await engine.redis.script("FLUSH");
    expect(await customers.ask(engine, 51)).toMatchObject({ reason: "recovering" });
    await until("the reason why it is closed", () => {
      return engine.thread.status()?.shards[shardOf(saleId)]?.closed?.includes("OOM");
    });
    expect(await customers.ask(engine, 51)).toMatchObject({ reason: "recovering" });
    await memory("0");
    expect(await customers.crowd(engine, [1, 150])).toBe(100);
    await customers.assertKept(engine, 100);
  });
});
