// change.lua on a real Redis.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shardScripts } from "../src/grab/scripts.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let redis: Redis;
let nextSale = 1;

const { change: script } = shardScripts("facts");

beforeAll(async () => {
  const { url } = await startRedis();
  redis = connectRedis(url, "grabs", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
  await redis.script("LOAD", script.text);
});
afterAll(stopEverything);

const run = (keys: string[], ...args: (string | number)[]) =>
  redis.evalsha(script.sha, keys.length, ...keys, ...args);

/** A sale of its own on a shard whose keys are empty. */
async function newSale() {
  const saleId = nextSale++;
  const keys = saleKeys(saleId);
  await redis.del(...Object.values(keys));
  return { saleId, keys };
}

describe("change.lua", () => {
  const now = async () => Number((await redis.time())[0]) * 1_000;
  const change = (
    keys: ReturnType<typeof saleKeys>,
    { epoch = "5", version = 1, id = "this", bound = "", demand = "" },
    ...fields: (string | number)[]
  ) => run([keys.gate, keys.sale], epoch, version, id, bound, demand, ...fields);

  const facts = { state: "open", total: "10", granted: "7", returned: "1", limit: "1" };

  async function openSale(fields: Record<string, string> = {}) {
    const { keys } = await newSale();
    await redis.hset(keys.gate, { epoch: "5", state: "open" });
    await redis.hset(keys.sale, { ...facts, ...fields });
    return keys;
  }

  test("sets what it is given, takes away what is empty, and touches nothing else", async () => {
    const keys = await openSale({ closes: "99" });
    expect(await change(keys, {}, "state", "paused", "total", 20, "closes", "")).toBe("applied");
    const expected = { ...facts, state: "paused", total: "20", version: "1", change: "this" };
    expect(await redis.hgetall(keys.sale)).toEqual(expected);
  });

  test.each([
    ["the same", 3],
    ["an earlier", 2],
  ])("does nothing to a sale that has another change of %s version", async (_, version) => {
    const keys = await openSale({ version: "3", change: "another" });
    expect(await change(keys, { version }, "total", 20)).toBe("superseded");
    expect(await redis.hgetall(keys.sale)).toEqual({ ...facts, version: "3", change: "another" });
  });

  test("knows by its id a change that the sale has", async () => {
    const keys = await openSale();
    expect(await change(keys, {}, "total", 20)).toBe("applied");
    await redis.hset(keys.sale, "total", "30");
    expect(await change(keys, {}, "total", 20)).toBe("same");
    expect(await redis.hget(keys.sale, "total")).toBe("30");
  });

  test("stays refused when it comes again, with the reason as long as there is one", async () => {
    const keys = await openSale();
    expect(await change(keys, {}, "total", 5)).toBe("below 6");
    expect(await change(keys, {}, "total", 5)).toBe("below 6");
    await redis.hset(keys.sale, "returned", "5");
    expect(await change(keys, {}, "total", 5)).toBe("superseded");
    expect(await redis.hget(keys.sale, "total")).toBe("10");
    expect(await change(keys, { version: 2, id: "next" }, "total", 5)).toBe("applied");
    expect(await change(keys, {}, "total", 1)).toBe("below 2");
  });

  test("compares versions as numbers", async () => {
    const keys = await openSale({ version: "9" });
    expect(await change(keys, { version: 10 }, "total", 20)).toBe("applied");
  });

  test("lowers a total to what is held, and not below", async () => {
    const keys = await openSale();
    expect(await change(keys, {}, "total", 5)).toBe("below 6");
    expect(await redis.hgetall(keys.sale)).toEqual({ ...facts, version: "1" });
    expect(await change(keys, { version: 2 }, "total", 6)).toBe("applied");
  });

  test("raises the total of a sale that holds more than it has", async () => {
    const keys = await openSale({ granted: "30" });
    expect(await change(keys, {}, "total", 20)).toBe("applied");
  });

  test("lowers nothing when a counter is no number", async () => {
    const keys = await openSale({ granted: "nan" });
    await expect(change(keys, {}, "total", 5)).resolves.not.toBe("applied");
    expect(await redis.hget(keys.sale, "total")).toBe("10");
  });

  test("changes a sale that must not have opened only before it does", async () => {
    const future = await openSale({ opens: String((await now()) + 60_000) });
    expect(await change(future, { demand: "unopened" }, "limit", 2)).toBe("applied");
    const past = await openSale({ opens: String((await now()) - 1_000) });
    for (const _ of ["first", "again"])
      expect(await change(past, { demand: "unopened" }, "limit", 2)).toBe("opened");
    expect(await change(await openSale(), { demand: "unopened" }, "limit", 2)).toBe("opened");
  });

  test("deletes only what nobody has", async () => {
    const opens = String((await now()) + 60_000);
    const sold = await openSale({ opens });
    expect(await change(sold, { demand: "untouched" }, "state", "deleted")).toBe("granted");
    const unsold = await openSale({ opens, granted: "0", returned: "0" });
    expect(await change(unsold, { demand: "untouched" }, "state", "deleted")).toBe("applied");
  });

  test("makes no sale that is not here", async () => {
    const keys = await openSale();
    await redis.del(keys.sale);
    expect(await change(keys, {}, "state", "paused")).toBe("missing");
    expect(await redis.exists(keys.sale)).toBe(0);
  });

  test("is not made in another epoch than the one it is bound to, unless it is there already", async () => {
    const keys = await openSale();
    expect(await change(keys, { bound: "4" }, "state", "paused")).toBe("stale");
    const second = { version: 2, bound: "5" };
    expect(await change(keys, second, "state", "paused")).toBe("applied");
    await redis.hset(keys.gate, "epoch", "6");
    expect(await change(keys, { ...second, epoch: "6" }, "state", "paused")).toBe("same");
  });

  test.each([
    ["is missing", {}],
    ["is closed", { epoch: "5", state: "closed" }],
    ["is at another epoch", { epoch: "6", state: "open" }],
  ])("changes nothing when the gate %s", async (_, gate) => {
    const keys = await openSale();
    await redis.del(keys.gate);
    if (Object.keys(gate).length > 0) await redis.hset(keys.gate, gate);
    expect(await change(keys, {}, "state", "paused")).toBe("fenced");
    expect(await redis.hget(keys.sale, "state")).toBe("open");
  });
});
