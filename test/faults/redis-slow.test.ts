// A Redis that is slow, rewrites its file, forgets its scripts, or is set up wrongly while a crowd is at it
// (B24, B25, B26).

import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { limits } from "../../src/limits.ts";
import { createLog } from "../../src/log.ts";
import { watchRedis } from "../../src/ops/watch.ts";
import { type Engine, latestRecovery, startEngine } from "../harness/engine.ts";
import { Customers } from "../harness/promises.ts";
import { startStores, stopEverything } from "../harness/servers.ts";
import { until } from "../harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers);
});
afterAll(stopEverything);

test("a pause longer than a command's time leaves unknown outcomes, and asking again tells each", async () => {
  const saleId = await engine.sale(300);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 20])).toBe(20);
  await engine.redis.client("PAUSE", limits.redisCommandTimeoutMs + 200, "ALL");
  const startedAt = performance.now();
  const asked = await Promise.all([21, 22, 23].map((user) => customers.ask(engine, user)));
  for (const outcome of asked) expect(outcome).toMatchObject({ reason: "unknown" });
  expect(performance.now() - startedAt).toBeLessThan(2 * limits.redisCommandTimeoutMs);
  // The call was in Redis's hands: it was carried out when the pause ended, and nobody was told.
  for (const user of [21, 22, 23]) {
    expect(await customers.insist(engine, user)).toMatchObject({ kind: "repeated" });
  }
  expect(await customers.crowd(engine, [24, 400])).toBe(277);
  await customers.assertKept(engine, 300);
});

test("a rewrite of the append-only file in mid-sale is not noticed", async () => {
  const saleId = await engine.sale(2_000);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 500])).toBe(500);
  await engine.redis.bgrewriteaof();
  const users = Array.from({ length: 1_000 }, (_, i) => 501 + i);
  const rewriting = async () =>
    (await engine.redis.info("persistence")).includes("aof_rewrite_in_progress:1");
  do {
    const some = users.splice(0, 100);
    const outcomes = await Promise.all(some.map((user) => customers.ask(engine, user)));
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["granted"]));
  } while (users.length > 0 && (await rewriting()));
  await customers.assertKept(engine, 2_000);
});

test("scripts that are flushed under load cost less than a second, and nothing else", async () => {
  const saleId = await engine.sale(100_000);
  const customers = new Customers(saleId);
  const silences: number[] = [];
  let user = 0;
  // The machine may be busy with something else: the best of three is what the service takes.
  for (const _round of [1, 2, 3]) {
    const since = customers.answers.length;
    await customers.insist(engine, ++user);
    await engine.redis.script("FLUSH");
    await until("a refusal and a grant after it", async () => {
      await Promise.all(Array.from({ length: 20 }, () => customers.ask(engine, ++user)));
      const kinds = customers.answers.slice(since).map(({ kind }) => kind);
      return (
        kinds.lastIndexOf("granted") > kinds.indexOf("unavailable") && kinds.includes("unavailable")
      );
    });
    silences.push(customers.longestSilenceMs(since));
  }
  expect(Math.min(...silences)).toBeLessThan(1_000);
  expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 0, voids: 0 });
  expect(await customers.crowd(engine, [1, user])).toBe(user);
  await customers.assertKept(engine, 100_000);
});

test("a policy that evicts, set in mid-sale, closes grabs at the next look, and they open when it is mended", async () => {
  const saleId = await engine.sale(100);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 20])).toBe(20);
  const timers = spyOn(globalThis, "setInterval").mockReturnValue(0 as never);
  const { redis, gates } = engine;
  const stopping = new AbortController();
  const log = createLog("silent");
  watchRedis({ redis, gates, log, durability: "durable" }, stopping.signal);
  const everyMinute = timers.mock.calls.find(([, ms]) => ms === limits.redisSettingsCheckMs)?.[0];
  timers.mockRestore();
  expect(limits.redisSettingsCheckMs).toBeLessThanOrEqual(60_000);

  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  everyMinute?.();
  await until("every gate to close", () => gates.openCount() === 0);
  expect(await customers.ask(engine, 21)).toMatchObject({ reason: "recovering" });
  await redis.config("SET", "maxmemory-policy", "noeviction");
  expect(await customers.crowd(engine, [1, 120])).toBe(100);
  await customers.assertKept(engine, 100);
  stopping.abort();
});
