// The three levels against a real Redis, as several processes use them. What a slow loader, a lost message, a lost
// connection or an emptied Redis can do to them.

import { afterAll, beforeEach, expect, test } from "bun:test";
import { EVERYTHING } from "../src/cache/changes.ts";
import { announce } from "../src/cache/shared.ts";
import type { RedisServer } from "../src/embedded/redis.ts";
import { limits } from "../src/limits.ts";
import { Overloaded } from "../src/overloaded.ts";
import { cacheKeys } from "../src/redis/keys.ts";
import { type CacheProcess, type Fact, startCaches } from "./harness/caches.ts";
import { startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const server: RedisServer = await startRedis();
const rows = new Map<string, Fact>();
const start = () => startCaches(server.url, rows);
const [one, two] = [await start(), await start()];

let names = 0;
let name = "";
beforeEach(() => {
  name = `thing ${++names}`;
  rows.set(name, { version: 1 });
  for (const each of [one, two]) each.loads.length = 0;
});

const write = async (by: CacheProcess, version: number): Promise<void> => {
  rows.set(name, { version });
  await by.levels.changed({ kind: "user-name", key: name });
};

test("a thing is loaded once, then comes from memory, and on another process from Redis", async () => {
  const { facts } = one;
  expect(facts.peek(name)).toBeUndefined();
  const both = await Promise.all([facts.get(name), facts.get(name)]);
  expect(both).toEqual([{ version: 1 }, { version: 1 }]);
  expect(facts.peek(name)).toEqual({ version: 1 });
  await until("Redis to have it", async () => {
    two.facts.drop(name);
    two.loads.length = 0;
    await two.facts.get(name);
    return two.loads.length === 0;
  });
  expect(one.loads).toEqual([name]);
});

test("a change shows at once here, and on another process when the message arrives", async () => {
  await Promise.all([one.facts.get(name), two.facts.get(name)]);
  await write(one, 2);
  expect(one.facts.peek(name)).toBeUndefined();
  expect(await one.facts.get(name)).toEqual({ version: 2 });
  await until("the message", () => two.facts.peek(name) === undefined);
  expect(await two.facts.get(name)).toEqual({ version: 2 });
});

test("each request counts once, however memory is asked on its way", async () => {
  const third = await start();
  const { memory } = third.levels.counts.of("user-name");
  // As everybody asks who wants to know at once whether it is in memory.
  const ask = async () => third.facts.peek(name) ?? (await third.facts.get(name));
  await ask();
  expect(memory).toEqual({ hit: 0, none: 0, miss: 1 });
  await ask();
  expect(memory).toEqual({ hit: 1, none: 0, miss: 1 });
  const slot = third.facts.slot(name);
  expect(memory).toEqual({ hit: 1, none: 0, miss: 1 });
  expect(slot && third.facts.read(slot)).toEqual({ version: 1 });
  expect(memory).toEqual({ hit: 2, none: 0, miss: 1 });
});

test("a kept slot is empty after the change", async () => {
  await one.facts.get(name);
  const slot = one.facts.slot(name);
  if (!slot) throw new Error("it is not in memory");
  expect(one.facts.read(slot)).toEqual({ version: 1 });
  await write(two, 2);
  await until("the message", () => one.facts.read(slot) === undefined);
});

test("a slow loader of another process brings nothing old into Redis or memory", async () => {
  const release = Promise.withResolvers<void>();
  two.hold(release.promise);
  const slow = two.facts.get(name);
  await until("the load", () => two.loads.length === 1);
  await write(one, 2);
  release.resolve();
  expect(await slow).toEqual({ version: 1 });
  // Its attempt to put the old value into Redis goes before this question on the same connection.
  await two.redis.ping();
  expect(await two.facts.get(name)).toEqual({ version: 2 });
  one.facts.drop(name);
  expect(await one.facts.get(name)).toEqual({ version: 2 });
});

test("a loader that outlived its message, as on a process that hears nothing, is kept out of Redis", async () => {
  const deaf = await startCaches(server.url, rows, { hears: false });
  await deaf.levels.stop();
  await until("Redis to have the scripts", async () => {
    await deaf.facts.renew("another thing");
    const text = await deaf.redis.get(cacheKeys.entry("user-name", "another thing"));
    return text?.endsWith("-");
  });
  deaf.loads.length = 0;
  const release = Promise.withResolvers<void>();
  deaf.hold(release.promise);
  const slow = deaf.facts.get(name);
  await until("the load", () => deaf.loads.length === 1);
  await write(one, 2);
  release.resolve();
  expect(await slow).toEqual({ version: 1 });
  await deaf.redis.ping();
  one.facts.drop(name);
  expect(await one.facts.get(name)).toEqual({ version: 2 });
});

test("what did not exist is found at once where it was made, and elsewhere when the message arrives", async () => {
  rows.delete(name);
  expect([await one.facts.get(name), await two.facts.get(name)]).toEqual([undefined, undefined]);
  const heard = new Promise((resolve) => two.levels.onChange(resolve));
  rows.set(name, { version: 7 });
  await one.facts.renew(name);
  expect(one.facts.peek(name)).toEqual({ version: 7 });
  await heard;
  expect(await two.facts.get(name)).toEqual({ version: 7 });
});

test("a slow loader that found nothing does not hide what was made meanwhile", async () => {
  rows.delete(name);
  const release = Promise.withResolvers<void>();
  two.hold(release.promise);
  const slow = two.facts.get(name);
  await until("the load", () => two.loads.length === 1);
  const heard = new Promise((resolve) => two.levels.onChange(resolve));
  rows.set(name, { version: 7 });
  await one.facts.renew(name);
  await heard;
  release.resolve();
  expect(await slow).toBeUndefined();
  expect(await two.facts.get(name)).toEqual({ version: 7 });
});

test("that there is nothing is known in memory, and spares Redis and MySQL the question for a moment", async () => {
  rows.delete(name);
  const third = await start();
  const { memory, redis, mysql } = third.levels.counts.of("user-name");
  const asked = () => [memory.none, redis.none + redis.miss, mysql.none];
  await third.facts.get(name);
  expect(asked()).toEqual([0, 1, 1]);
  await third.facts.get(name);
  expect(asked()).toEqual([1, 1, 1]);
  third.pass(limits.cacheUnknownSeconds * 1_000);
  await third.facts.get(name);
  expect(asked()).toEqual([1, 2, expect.any(Number)]);
});

test("that there is nothing is believed from the question on, however late the answer comes", async () => {
  rows.delete(name);
  const third = await start();
  const { memory } = third.levels.counts.of("user-name");
  const release = Promise.withResolvers<void>();
  third.hold(release.promise);
  const asked = third.facts.get(name);
  await until("the load", () => third.loads.length === 1);
  third.pass(limits.cacheUnknownSeconds * 1_000);
  release.resolve();
  await asked;
  expect(third.isTrusted()).toBe(true);
  await third.facts.get(name);
  expect(memory.none).toBe(0);
});

test("that there is nothing is not believed from memory while messages may be missed", async () => {
  rows.delete(name);
  const deaf = await start();
  await deaf.facts.get(name);
  await deaf.levels.stop();
  rows.set(name, { version: 7 });
  await one.facts.renew(name);
  expect(await deaf.facts.get(name)).toEqual({ version: 7 });
});

test("that there is nothing spares MySQL the question for a moment, also of other processes", async () => {
  rows.delete(name);
  await one.facts.get(name);
  await until("Redis to know", async () => {
    two.loads.length = 0;
    await two.facts.get(name);
    return two.loads.length === 0;
  });
  await until("a new load", async () => {
    await two.facts.get(name);
    return two.loads.length > 0;
  });
});

test("memory is not believed when no proof has come for too long", async () => {
  const third = await start();
  await third.facts.get(name);
  expect(third.facts.peek(name)).toEqual({ version: 1 });
  third.pass(limits.cacheTrustMs);
  expect(third.facts.peek(name)).toBeUndefined();
});

test("a lost subscription empties memory", async () => {
  await two.facts.get(name);
  await one.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
  rows.set(name, { version: 2 });
  await until("it to be gone", () => two.facts.peek(name) === undefined);
  await until("trust", () => one.isTrusted() && two.isTrusted());
});

test("a message that got lost on the way empties memory", async () => {
  await two.facts.get(name);
  const slot = two.facts.slot(name);
  if (!slot) throw new Error("it is not in memory");
  // What a Redis Cluster may do: the number moves and no message comes.
  await one.redis.incr(cacheKeys.changes);
  await until("it to be gone", () => slot.value === undefined);
});

test("without Redis the loader answers, and a change is told when Redis is back", async () => {
  const redis = await startRedis();
  const [here, there] = [await startCaches(redis.url, rows), await startCaches(redis.url, rows)];
  await here.facts.get(name);
  await until("Redis to have it", async () => {
    there.facts.drop(name);
    there.loads.length = 0;
    return (await there.facts.get(name)) && there.loads.length === 0;
  });
  await redis.process.kill("SIGKILL");
  await until("the loss", () => !here.isTrusted() && !there.isTrusted());
  await write(here, 2);
  expect(await here.facts.get(name)).toEqual({ version: 2 });
  await redis.process.start();
  // Redis still has the old value: it was not told. Whoever made the change does not believe it.
  expect(await here.facts.get(name)).toEqual({ version: 2 });
  await until("Redis to be told", async () => {
    there.facts.drop(name);
    return (await there.facts.get(name))?.version === 2;
  });
});

test("everything is loaded anew when everything may have changed", async () => {
  await Promise.all([one.facts.get(name), two.facts.get(name)]);
  rows.set(name, { version: 2 });
  await announce(one.redis, "an operator", EVERYTHING);
  await until("the message", () => two.facts.peek(name) === undefined);
  expect(await two.facts.get(name)).toEqual({ version: 2 });
  expect(await one.facts.get(name)).toEqual({ version: 2 });
});

test("a hundred things that are asked for at once are loaded a few at a time, and all come", async () => {
  const third = await start();
  const names = Array.from({ length: 100 }, (_, n) => `of a page ${n}`);
  for (const [version, key] of names.entries()) rows.set(key, { version });
  const release = Promise.withResolvers<void>();
  third.hold(release.promise);
  const page = Promise.all(names.map((key) => third.facts.get(key)));
  await until("the loads", () => third.loads.length === limits.cacheLoadsAtOnce);
  release.resolve();
  expect(await page).toEqual(names.map((_, version) => ({ version })));
  expect(third.loads.length).toBe(100);
});

test("more loads than may wait are refused, and later ones succeed", async () => {
  const third = await start();
  const release = Promise.withResolvers<void>();
  third.hold(release.promise);
  const room = limits.cacheLoadsAtOnce + limits.cacheLoadsWaitingMax;
  const many = Array.from({ length: room }, (_, n) => third.facts.get(`x${n}`));
  await until("the loads", () => third.loads.length === limits.cacheLoadsAtOnce);
  await expect(third.facts.get("one more")).rejects.toBeInstanceOf(Overloaded);
  release.resolve();
  await Promise.all(many);
  expect(await third.facts.get(name)).toEqual({ version: 1 });
});
