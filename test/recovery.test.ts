// What Redis may lose, and what becomes of it, with the real ledger thread: nothing that was confirmed is
// lost, nothing is sold twice, and the gate is closed until that is certain.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { eq } from "drizzle-orm";
import type { RedisServer } from "../src/embedded/redis.ts";
import { grants, recoveries, shards } from "../src/ledger/table.ts";
import { saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import {
  crowd,
  type Engine,
  latestRecovery,
  startEngine,
  stopWriting,
  untilRows,
} from "./harness/engine.ts";
import { counterOf, rowsOf, shardRow } from "./harness/ledger.ts";
import { freshDatabase, freshFolder, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let server: RedisServer;
let servers: { redisUrl: string; databaseUrl: string };
let engine: Engine;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  server = redis;
  servers = { redisUrl: redis.url, databaseUrl: database.url };
  engine = await startEngine(servers);
});
afterAll(stopEverything);

const epochs = async () =>
  (await engine.pool.db.select({ epoch: shards.epoch }).from(shards)).map(({ epoch }) => epoch);

describe("nothing was lost", () => {
  test("a process that starts adopts what it finds, without a recovery", async () => {
    const saleId = await engine.sale(10);
    const before = { epochs: await epochs(), recoveries: await engine.pool.db.$count(recoveries) };
    const second = await startEngine(servers);
    expect(await second.grab(saleId, 1)).toEqual({ kind: "granted", number: 1 });
    expect(await engine.grab(saleId, 1)).toEqual({ kind: "repeated", number: 1 });
    await second.stop();
    expect({
      epochs: await epochs(),
      recoveries: await engine.pool.db.$count(recoveries),
    }).toEqual(before);
  });

  test("a shard that forgot its scripts comes back with a new epoch and nothing rebuilt", async () => {
    const saleId = await engine.sale(100);
    const confirmed = await crowd(engine, saleId, [1, 40]);
    await untilRows(engine, saleId, confirmed);
    const before = await shardRow(engine.pool.db, shardOf(saleId));
    await engine.redis.script("FLUSH");
    expect(await engine.grab(saleId, 41)).toMatchObject({ reason: "recovering" });
    expect(await engine.grabSurely(saleId, 41)).toEqual({ kind: "granted", number: 41 });
    expect(await engine.grabSurely(saleId, 7)).toEqual({
      ...{ kind: "repeated", number: confirmed.find(([, user]) => user === 7)?.[0] ?? 0 },
    });
    expect(await latestRecovery(engine, saleId)).toMatchObject({
      ...{ epochFrom: before.epoch, epochTo: before.epoch + 1 },
      ...{ salesRebuilt: 0, grantsRestored: 0, voids: 0 },
    });
    expect((await shardRow(engine.pool.db, shardOf(saleId))).incarnation).not.toBe(
      before.incarnation,
    );
  });

  test("two processes come back from one loss with the same epochs", async () => {
    const saleId = await engine.sale(10);
    const second = await startEngine(servers);
    await engine.redis.script("FLUSH");
    const [one, other] = await Promise.all([
      engine.grabSurely(saleId, 1),
      second.grabSurely(saleId, 2),
    ]);
    expect([one, other].map((outcome) => outcome.kind)).toEqual(["granted", "granted"]);
    const shard = shardOf(saleId);
    const { epoch } = await shardRow(engine.pool.db, shard);
    expect([engine.gates.at(shard)?.epoch, second.gates.at(shard)?.epoch]).toEqual([epoch, epoch]);
    await second.stop();
  });
});

describe("Redis is killed", () => {
  test("in the middle of a sale: every answer that was given stands, and the rest is sold", async () => {
    const saleId = await engine.sale(500);
    const grabbing = crowd(engine, saleId, [1, 400]);
    await until("some grants", async () => Number((await engine.counters(saleId)).granted) > 0);
    await server.process.kill("SIGKILL");
    await server.process.start();
    const confirmed = await grabbing;
    expect(confirmed).toHaveLength(400);
    await untilRows(engine, saleId, confirmed);
    const later = await crowd(engine, saleId, [401, 700]);
    expect(later).toHaveLength(100);
    await untilRows(engine, saleId, [...confirmed, ...later]);
  });

  test("while MySQL is behind: the stream still has what MySQL lacks", async () => {
    const saleId = await engine.sale(100);
    await stopWriting([engine], saleId);
    const confirmed = await crowd(engine, saleId, [1, 30]);
    expect(await rowsOf(engine.pool.db, saleId)).toEqual([]);
    await server.process.kill("SIGKILL");
    await server.process.start();
    expect(await engine.grabSurely(saleId, 31)).toEqual({ kind: "granted", number: 31 });
    await untilRows(engine, saleId, [...confirmed, [31, 31]]);
    expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 0, voids: 0 });
  });
});

describe("Redis is emptied", () => {
  test("what MySQL has is there again: same numbers, same users, and no unit twice", async () => {
    const saleId = await engine.sale(50);
    const confirmed = await crowd(engine, saleId, [1, 30]);
    await untilRows(engine, saleId, confirmed);
    await engine.redis.flushall();
    const again = await crowd(engine, saleId, [1, 80]);
    expect(again).toHaveLength(50);
    expect(again).toEqual(expect.arrayContaining(confirmed));
    await untilRows(engine, saleId, again);
    expect(await latestRecovery(engine, saleId)).toMatchObject({ voids: 0 });
  });

  test("what MySQL lacks is known by the process that confirmed it", async () => {
    const saleId = await engine.sale(50);
    await stopWriting([engine], saleId);
    const confirmed = await crowd(engine, saleId, [1, 30]);
    expect(await rowsOf(engine.pool.db, saleId)).toEqual([]);
    await engine.redis.flushall();
    const again = await crowd(engine, saleId, [1, 60]);
    expect(again).toHaveLength(50);
    expect(again).toEqual(expect.arrayContaining(confirmed));
    await untilRows(engine, saleId, again);
    expect(await latestRecovery(engine, saleId)).toMatchObject({ grantsRestored: 30, voids: 0 });
  });

  test("a user's slots and keys come back as they were", async () => {
    const saleId = await engine.sale(50, { userLimit: 3 });
    await stopWriting([engine], saleId);
    for (const key of ["a", "b"]) await engine.grabSurely(saleId, 7, key);
    await engine.redis.flushall();
    expect(await engine.grabSurely(saleId, 7, "b")).toEqual({ kind: "repeated", number: 2 });
    expect(await engine.grabSurely(saleId, 7, "c")).toEqual({ kind: "granted", number: 3 });
    expect(await engine.grabSurely(saleId, 7, "d")).toEqual({ kind: "limit_reached" });
    expect(await engine.redis.hgetall(saleKeys(saleId).winners)).toEqual({ 7: "1:a,2:b,3:c" });
  });

  test("in the middle of the crowd, again and again: nothing is sold twice or lost", async () => {
    const saleId = await engine.sale(300);
    // The crowd itself empties Redis: a crowd that is left to run may have ended before anybody else is at it.
    const emptiedBy = new Set([10, 100, 200]);
    const emptying: Engine = {
      ...engine,
      async grabSurely(...grab) {
        if (emptiedBy.has(grab[1])) await engine.redis.flushall();
        return engine.grabSurely(...grab);
      },
    };
    const confirmed = await crowd(emptying, saleId, [1, 600], 8);
    const rows = await until("all rows", async () => {
      const { granted } = await engine.counters(saleId);
      const found = await engine.pool.db.select().from(grants).where(eq(grants.saleId, saleId));
      return found.length === Number(granted) ? found : undefined;
    });
    // A number whose answer nobody has heard may be burned; its unit is sold under another one.
    const active = rows.filter(({ state }) => state === "granted");
    expect(active).toHaveLength(300);
    const numbers = rows.map(({ grantNo }) => grantNo).toSorted((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    const inMysql = active.map(({ grantNo, userId }) => [grantNo, userId]);
    expect(inMysql).toEqual(expect.arrayContaining(confirmed));
  });
});

describe("one sale is damaged", () => {
  test("its hash is gone: it is rebuilt, and was never warmed a second time", async () => {
    const saleId = await engine.sale(20);
    const confirmed = await crowd(engine, saleId, [1, 20]);
    await engine.redis.del(saleKeys(saleId).sale);
    expect(await engine.grabSurely(saleId, 99)).toEqual({ kind: "sold_out" });
    expect(await crowd(engine, saleId, [1, 20])).toEqual(confirmed);
    expect(await engine.counters(saleId)).toMatchObject({ total: "20", granted: "20" });
  });

  test.each([1, 2])("its winners are gone: who has won still has (limit %d)", async (userLimit) => {
    const saleId = await engine.sale(20, { userLimit });
    const key = userLimit === 1 ? "" : "a";
    const grabAll = () =>
      Promise.all([1, 2, 3, 4].map((user) => engine.grabSurely(saleId, user, key)));
    await grabAll();
    await until("the rows", async () => (await rowsOf(engine.pool.db, saleId)).length === 4);
    await engine.redis.del(saleKeys(saleId).winners);
    await engine.redis.script("FLUSH");
    expect((await grabAll()).map(({ kind }) => kind)).toEqual(Array(4).fill("repeated"));
  });

  test("its counters went back: Redis has less than MySQL, and no number is given away again", async () => {
    const saleId = await engine.sale(20);
    const confirmed = await crowd(engine, saleId, [1, 10]);
    await untilRows(engine, saleId, confirmed);
    await until("recorded", async () => (await engine.counters(saleId)).recorded === "10");
    const keys = saleKeys(saleId);
    await engine.redis.hset(keys.sale, { granted: 4 });
    await engine.redis.hdel(keys.winners, ...confirmed.slice(4).map(([, user]) => String(user)));
    expect(await engine.grabSurely(saleId, 99)).toEqual({ kind: "granted", number: 11 });
    expect(await crowd(engine, saleId, [1, 10])).toEqual(confirmed);
  });

  test("it counts more than anybody can account for: those numbers are burned, no unit is", async () => {
    const saleId = await engine.sale(20);
    const confirmed = await crowd(engine, saleId, [1, 5]);
    await untilRows(engine, saleId, confirmed);
    await engine.redis.hset(saleKeys(saleId).sale, { granted: 8 });
    await engine.redis.script("FLUSH");
    const later = await crowd(engine, saleId, [6, 50]);
    expect(later.map(([number]) => number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 15 }, (_, i) => 9 + i),
    );
    expect(await latestRecovery(engine, saleId)).toMatchObject({ voids: 3 });
    await untilRows(engine, saleId, [...confirmed, [6, 0], [7, 0], [8, 0], ...later]);
    await until("the counters", async () => {
      const { granted, returned } = (await counterOf(engine.pool.db, saleId)) ?? {};
      return granted === 23 && returned === 3;
    });
  });
});

describe("an old copy is restored", () => {
  test("nothing that happened since is lowered, and new entries come behind the cursor", async () => {
    const saleId = await engine.sale(60);
    const before = await crowd(engine, saleId, [1, 20]);
    await untilRows(engine, saleId, before);
    const [, folder = ""] = (await engine.redis.config("GET", "dir")) as string[];
    const copy = freshFolder("copy");
    cpSync(folder, copy, { recursive: true });
    const since = await crowd(engine, saleId, [21, 40]);
    await untilRows(engine, saleId, [...before, ...since]);
    const cursor = (await shardRow(engine.pool.db, shardOf(saleId))).lastId;

    await server.process.kill("SIGKILL");
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    renameSync(`${copy}/appendonlydir`, `${folder}/appendonlydir`);
    await server.process.start();

    expect(await crowd(engine, saleId, [1, 40])).toEqual([...before, ...since]);
    const later = await crowd(engine, saleId, [41, 100]);
    expect(later).toHaveLength(20);
    await untilRows(engine, saleId, [...before, ...since, ...later]);
    const [newest] = await engine.redis.xrevrange(
      shardKeys(shardOf(saleId)).ledger,
      "+",
      "-",
      "COUNT",
      1,
    );
    expect(Number(newest?.[0].split("-")[0])).toBeGreaterThan(Number(cursor.split("-")[0]));
  });
});
