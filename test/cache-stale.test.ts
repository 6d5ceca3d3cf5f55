// What Redis has and is not as good as MySQL any more: values that have grown old, that are from before everything was
// to be loaded anew, or that are none; and what slow loaders can do to them.

import { afterAll, beforeEach, expect, test } from "bun:test";
import { EVERYTHING } from "../src/cache/changes.ts";
import { announce } from "../src/cache/shared.ts";
import { limits } from "../src/limits.ts";
import { cacheKeys } from "../src/redis/keys.ts";
import { type CacheProcess, type Fact, startCaches } from "./harness/caches.ts";
import { startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const server = await startRedis();
const rows = new Map<string, Fact>();
const start = () => startCaches(server.url, rows);
const [one, two] = [await start(), await start()];

let names = 0;
let name = "";
let key = "";
beforeEach(() => {
  name = `thing ${++names}`;
  key = cacheKeys.entry("user-name", name);
  rows.set(name, { version: 1 });
  for (const each of [one, two]) each.loads.length = 0;
});

const write = async (by: CacheProcess, version: number): Promise<void> => {
  rows.set(name, { version });
  await by.levels.changed({ kind: "user-name", key: name });
};

/** What Redis has, once that is of the version. */
const inRedis = (version: number): Promise<string> =>
  until("Redis to have it", async () => {
    const text = await one.redis.get(key);
    return text?.endsWith(`{"version":${version}}`) ? text : undefined;
  });

/** What Redis has is fresh no more. */
const grows = () => one.redis.expire(key, limits.cacheStaleSeconds - limits.cacheSharedSeconds - 5);

/**
 * A process that hears of nothing was given version 1 by Redis, which was old, and loads version 2; it goes on when it
 * is told to, and `ended` once Redis has what it brings.
 */
async function slowLoader() {
  const deaf = await startCaches(server.url, rows, { hears: false });
  await deaf.levels.stop();
  await deaf.facts.get(name);
  await inRedis(1);
  await grows();
  deaf.facts.drop(name);
  deaf.loads.length = 0;
  const gate = Promise.withResolvers<void>();
  deaf.hold(gate.promise);
  rows.set(name, { version: 2 });
  const found = deaf.facts.get(name);
  await until("the load", () => deaf.loads.length === 1);
  return {
    deaf,
    async end() {
      gate.resolve();
      await until("the end", () => deaf.facts.loading(name) === undefined);
      await found;
      await deaf.redis.ping();
    },
  };
}

test("after everything may have changed, what Redis had is given where MySQL fails, and only there", async () => {
  const third = await start();
  await third.facts.get(name);
  await inRedis(1);
  const everythingChanges = async (version: number) => {
    rows.set(name, { version });
    const heard = new Promise((resolve) => third.levels.onChange(resolve));
    await announce(one.redis, "an operator", EVERYTHING);
    await heard;
    third.loads.length = 0;
  };
  const slow = Promise.withResolvers<void>();
  third.hold(slow.promise);
  await everythingChanges(2);
  let given: Fact | undefined;
  const asked = third.facts.get(name).then((found) => (given = found));
  const begun = performance.now();
  await until(
    "more than a patient wait",
    () => performance.now() - begun > limits.cacheStaleWaitMs * 2,
  );
  expect([given, third.loads]).toEqual([undefined, [name]]);
  slow.resolve();
  expect(await asked).toEqual({ version: 2 });
  await inRedis(2);
  two.facts.drop(name);
  expect(await two.facts.get(name)).toEqual({ version: 2 });
  expect(two.loads).toEqual([]);

  const failing = Promise.withResolvers<void>();
  third.hold(failing.promise);
  await everythingChanges(3);
  const failed = third.facts.get(name);
  await until("the load", () => third.loads.length === 1);
  failing.reject(new Error("MySQL is away"));
  expect(await failed).toEqual({ version: 2 });
  third.hold(Promise.resolve());
  third.pass(limits.cacheStaleMemoryMs);
  expect(await third.facts.get(name)).toEqual({ version: 3 });
});

test("what a slow loader brings from before everything changed counts for nothing", async () => {
  const { deaf, end } = await slowLoader();
  rows.set(name, { version: 3 });
  await announce(one.redis, "an operator", EVERYTHING);
  await end();
  await inRedis(2);
  for (const each of [one, deaf]) {
    each.facts.drop(name);
    expect(await each.facts.get(name)).toEqual({ version: 3 });
  }
});

test("a value that was brought back is not mistaken for the one that a slow loader was given", async () => {
  const { end } = await slowLoader();
  await write(one, 1);
  await one.facts.get(name);
  const text = await inRedis(1);
  await end();
  expect(await one.redis.get(key)).toBe(text);
});

test("a text in Redis that is not a value is loaded anew and replaced", async () => {
  await one.facts.get(name);
  const text = await inRedis(1);
  await one.redis.set(key, `${text.slice(0, 33)}{broken`);
  two.loads.length = 0;
  expect(await two.facts.get(name)).toEqual({ version: 1 });
  expect(two.loads).toEqual([name]);
  await inRedis(1);
});

test("a value that is not fresh is loaded again, and given as it is while MySQL does not answer", async () => {
  const third = await start();
  const ages = async (version: number) => {
    await third.facts.get(name);
    await inRedis(version);
    await grows();
    third.facts.drop(name);
    third.loads.length = 0;
  };
  await ages(1);
  rows.set(name, { version: 2 });
  expect(await third.facts.get(name)).toEqual({ version: 2 });
  await ages(2);
  const never = Promise.withResolvers<void>();
  third.hold(never.promise);
  expect(await third.facts.get(name)).toEqual({ version: 2 });
  await write(one, 3);
  await until("the message", () => third.facts.peek(name) === undefined);
  never.reject(new Error("MySQL is away"));
  expect(await one.facts.get(name)).toEqual({ version: 3 });
  expect(await third.facts.get(name)).toEqual({ version: 3 });
});

/** A load of a process that goes on when it is told to; later ones are quick. */
async function slowLoad(by: CacheProcess) {
  by.loads.length = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  by.hold(promise);
  const found = by.facts.get(name);
  await until("the load", () => by.loads.length === 1);
  by.hold(Promise.resolve());
  return { found, end: resolve };
}

test("what a slow loader brings is as old as its question", async () => {
  const deaf = await start();
  await deaf.levels.stop();
  const slow = await slowLoad(deaf);
  await write(one, 2);
  deaf.pass(limits.cacheBlindMs);
  slow.end();
  expect(await slow.found).toEqual({ version: 1 });
  expect(deaf.facts.peek(name)).toBeUndefined();
});

test("a slow load that may have missed a change is joined by nobody, and kept nowhere when all is heard again", async () => {
  const third = await start();
  const slow = await slowLoad(third);
  third.late(Infinity);
  await write(one, 2);
  third.pass(limits.cacheTrustMs);
  expect(await third.facts.get(name)).toEqual({ version: 2 });
  third.late(0);
  await third.prove();
  slow.end();
  expect(await slow.found).toEqual({ version: 1 });
  expect(third.facts.peek(name)).toBeUndefined();
});
