import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";
import { createLookup } from "./cache.ts";

interface Fact {
  id: number;
}

/** A Redis that only knows GET and SET, and can be away; shared by several processes of a test. */
function fakeRedis() {
  const entries = new Map<string, string>();
  const state = { away: false, gets: 0, entries };
  const redis = {
    async get(key: string) {
      state.gets += 1;
      if (state.away) throw new Error("away");
      return entries.get(key) ?? null;
    },
    async set(key: string, value: string) {
      if (state.away) throw new Error("away");
      entries.set(key, value);
      return "OK";
    },
  };
  return { state, redis: redis as never };
}

function processOn(
  shared: ReturnType<typeof fakeRedis>,
  rows: Map<string, Fact>,
  time = { ms: 1 },
) {
  const loads: string[] = [];
  let gate: Promise<void> | undefined;
  const lookup = createLookup<string, Fact>({
    redis: shared.redis,
    entriesMax: 100,
    memoryKey: (key) => key,
    redisKey: (key) => `cache:${key}`,
    async load(key) {
      loads.push(key);
      const found = rows.get(key);
      await gate;
      return found;
    },
    parse: (json) => JSON.parse(json) as Fact,
    clock: { now: () => time.ms },
  });
  return {
    lookup,
    loads,
    hold: (until: Promise<void>) => {
      gate = until;
    },
  };
}

const setup = () => {
  const shared = fakeRedis();
  const rows = new Map<string, Fact>([["a", { id: 1 }]]);
  return { shared, rows };
};

test("a fact is loaded once, then comes from memory, and on another process from Redis", async () => {
  const { shared, rows } = setup();
  const one = processOn(shared, rows);
  expect(one.lookup.peek("a")).toBeUndefined();
  expect(await Promise.all([one.lookup.get("a"), one.lookup.get("a")])).toEqual([
    { id: 1 },
    { id: 1 },
  ]);
  expect(one.lookup.peek("a")).toEqual({ id: 1 });
  const two = processOn(shared, rows);
  expect(await two.lookup.get("a")).toEqual({ id: 1 });
  expect([one.loads, two.loads]).toEqual([["a"], []]);
});

test("memory forgets after its time limit", async () => {
  const { shared, rows } = setup();
  const time = { ms: 1 };
  const one = processOn(shared, rows, time);
  await one.lookup.get("a");
  time.ms += limits.cacheMemorySeconds * 1_000 + 1;
  expect(one.lookup.peek("a")).toBeUndefined();
  expect(await one.lookup.get("a")).toEqual({ id: 1 });
  expect(one.loads).toEqual(["a"]);
});

test("that there is nothing is remembered for MySQL's sake only, and for a moment", async () => {
  const { shared, rows } = setup();
  const time = { ms: 1 };
  const one = processOn(shared, rows, time);
  expect(await one.lookup.get("b")).toBeUndefined();
  expect(await one.lookup.get("b")).toBeUndefined();
  expect(one.loads).toEqual(["b"]);
  expect(shared.state.gets).toBe(2);
  time.ms += limits.cacheUnknownSeconds * 1_000 + 1;
  expect(await one.lookup.get("b")).toBeUndefined();
  expect(one.loads).toEqual(["b", "b"]);
});

test("what another process has put is found at once by a process that has just found nothing", async () => {
  const { shared, rows } = setup();
  const one = processOn(shared, rows);
  const two = processOn(shared, rows);
  expect(await one.lookup.get("b")).toBeUndefined();
  await two.lookup.put("b", { id: 2 });
  expect(await one.lookup.get("b")).toEqual({ id: 2 });
});

test("a look-up that began before a creation does not answer a request that came after it", async () => {
  const { shared, rows } = setup();
  const one = processOn(shared, rows);
  const release = Promise.withResolvers<void>();
  one.hold(release.promise);
  const early = one.lookup.get("b");
  await new Promise((resolve) => setImmediate(resolve));
  await processOn(shared, rows).lookup.put("b", { id: 2 });
  const late = one.lookup.get("b");
  release.resolve();
  expect(await early).toBeUndefined();
  expect(await late).toEqual({ id: 2 });
});

test("without Redis the loader answers, also what was remembered as missing", async () => {
  const { shared, rows } = setup();
  const one = processOn(shared, rows);
  expect(await one.lookup.get("b")).toBeUndefined();
  shared.state.away = true;
  rows.set("b", { id: 2 });
  expect(await one.lookup.get("b")).toEqual({ id: 2 });
  await one.lookup.put("c", { id: 3 });
  expect(one.lookup.peek("c")).toEqual({ id: 3 });
});

test("a text in Redis that is not a fact counts as missing and is replaced", async () => {
  const { shared, rows } = setup();
  shared.state.entries.set("cache:a", "{broken");
  const one = processOn(shared, rows);
  expect(await one.lookup.get("a")).toEqual({ id: 1 });
  expect(shared.state.entries.get("cache:a")).toBe('{"id":1}');
});

test("more loads at once than the limit are refused, and later ones succeed", async () => {
  const { shared, rows } = setup();
  const one = processOn(shared, rows);
  const release = Promise.withResolvers<void>();
  one.hold(release.promise);
  const many = Array.from({ length: limits.cacheLoadsAtOnce }, (_, n) => one.lookup.get(`x${n}`));
  await new Promise((resolve) => setImmediate(resolve));
  await expect(one.lookup.get("one more")).rejects.toBeInstanceOf(Overloaded);
  release.resolve();
  await Promise.all(many);
  expect(await one.lookup.get("a")).toEqual({ id: 1 });
});
