// The small scripts around grab.lua on a real Redis: recorded, warm, gate, continue, swap.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shardScripts } from "../src/grab/scripts.ts";
import { createLog } from "../src/log.ts";
import continueSource from "../src/recovery/continue.lua" with { type: "text" };
import gateSource from "../src/recovery/gate.lua" with { type: "text" };
import swapSource from "../src/recovery/swap.lua" with { type: "text" };
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { rebuildKey, saleKeys } from "../src/redis/keys.ts";
import { scriptOf } from "../src/redis/script.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let redis: Redis;
let nextSale = 1;

const scripts = {
  ...shardScripts("facts"),
  gate: scriptOf(gateSource, "facts"),
  swap: scriptOf(swapSource, "facts"),
  continue: scriptOf(continueSource, "facts"),
};

beforeAll(async () => {
  const { url } = await startRedis();
  redis = connectRedis(url, "grabs", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
  for (const { text } of Object.values(scripts)) await redis.script("LOAD", text);
});
afterAll(stopEverything);

const run = (name: keyof typeof scripts, keys: string[], ...args: (string | number)[]) =>
  redis.evalsha(scripts[name].sha, keys.length, ...keys, ...args);

/** A sale of its own on a shard whose keys are empty. */
async function newSale() {
  const saleId = nextSale++;
  const keys = saleKeys(saleId);
  await redis.del(...Object.values(keys));
  return { saleId, keys };
}

describe("recorded.lua", () => {
  async function sold(granted: number, recorded: number) {
    const { saleId, keys } = await newSale();
    await redis.hset(keys.sale, { state: "open", granted, recorded });
    await redis.sadd(keys.unrecorded, saleId);
    const tell = (count: number) => run("recorded", [keys.sale, keys.unrecorded], saleId, count);
    const seen = async () => [
      await redis.hget(keys.sale, "recorded"),
      await redis.smembers(keys.unrecorded),
    ];
    return { saleId, keys, tell, seen };
  }

  test("a sale stays among the unrecorded ones while MySQL is behind", async () => {
    const { saleId, tell, seen } = await sold(5, 0);
    expect(await tell(3)).toBe("behind");
    expect(await seen()).toEqual(["3", [String(saleId)]]);
  });

  test("it leaves them when MySQL has all of its grants", async () => {
    const { tell, seen } = await sold(5, 3);
    expect(await tell(5)).toBe("level");
    expect(await seen()).toEqual(["5", []]);
  });

  test("a message that comes late takes nothing back", async () => {
    const { saleId, tell, seen } = await sold(5, 4);
    expect(await tell(2)).toBe("behind");
    expect(await seen()).toEqual(["4", [String(saleId)]]);
  });

  test("the same message again changes nothing", async () => {
    const { tell, seen } = await sold(5, 5);
    expect([await tell(5), await tell(5)]).toEqual(["level", "level"]);
    expect(await seen()).toEqual(["5", []]);
  });

  test.each([
    ["count", "recorded"],
    ["grants", "granted"],
  ])("a sale whose %s is no number is left to recovery", async (_, field) => {
    const { saleId, keys, tell, seen } = await sold(5, 3);
    await redis.hset(keys.sale, field, "x");
    const before = await seen();
    expect(await tell(5)).toBe("missing");
    expect(await seen()).toEqual(before);
    await redis.hdel(keys.sale, field);
    expect(await tell(5)).toBe("missing");
    expect(await redis.smembers(keys.unrecorded)).toEqual([String(saleId)]);
  });

  test("so is a key of another type", async () => {
    const { keys, tell } = await sold(5, 3);
    await redis.set(keys.sale, "x");
    expect(await tell(5)).toBe("missing");
  });

  test("a sale that is not here is not made by it", async () => {
    const { saleId, keys } = await newSale();
    expect(await run("recorded", [keys.sale, keys.unrecorded], saleId, 3)).toBe("missing");
    expect(await redis.exists(keys.sale)).toBe(0);
  });
});

describe("warm.lua", () => {
  const fields = ["state", "open", "total", 10, "granted", 0];
  const warm = (keys: ReturnType<typeof saleKeys>, epoch: string) =>
    run("warm", [keys.gate, keys.sale], epoch, ...fields);

  test("puts a sale into Redis that was never there", async () => {
    const { keys } = await newSale();
    await redis.hset(keys.gate, { epoch: "5", state: "open" });
    expect(await warm(keys, "5")).toBe("warmed");
    expect(await redis.hgetall(keys.sale)).toEqual({ state: "open", total: "10", granted: "0" });
  });

  test("leaves a sale that is here alone, whatever MySQL thinks of its counters", async () => {
    const { keys } = await newSale();
    await redis.hset(keys.gate, { epoch: "5", state: "open" });
    await redis.hset(keys.sale, { state: "paused", granted: 7 });
    expect(await warm(keys, "5")).toBe("present");
    expect(await redis.hgetall(keys.sale)).toEqual({ state: "paused", granted: "7" });
  });

  test.each([
    ["is missing", undefined],
    ["is closed", { epoch: "5", state: "closed" }],
    ["is of another epoch", { epoch: "6", state: "open" }],
  ])("does nothing when the gate %s", async (_, gate) => {
    const { keys } = await newSale();
    if (gate) await redis.hset(keys.gate, gate);
    expect(await warm(keys, "5")).toBe("fenced");
    expect(await redis.exists(keys.sale)).toBe(0);
  });
});

describe("gate.lua", () => {
  test.each([
    ["a new epoch closes a gate that was never there", undefined, ["1", "closed"], "moved"],
    ["a new epoch closes the gate of an older one", ["4", "open"], ["5", "closed"], "moved"],
    ["the leader of an epoch may close its gate again", ["5", "closed"], ["5", "closed"], "moved"],
    ["the leader of an epoch opens its gate", ["5", "closed"], ["5", "open"], "moved"],
    ["a superseded leader cannot open", ["6", "closed"], ["5", "open"], "stale"],
    ["a superseded leader cannot close", ["6", "open"], ["5", "closed"], "stale"],
    ["a gate is not opened past its epoch", ["4", "closed"], ["5", "open"], "stale"],
    ["a gate that was lost is not opened", undefined, ["5", "open"], "stale"],
    ["epochs are compared as numbers", ["9", "open"], ["10", "closed"], "moved"],
  ] as const)("%s", async (_, before, [epoch, state], reply) => {
    const { keys } = await newSale();
    if (before) await redis.hset(keys.gate, { epoch: before[0], state: before[1] });
    const seenBefore = await redis.hgetall(keys.gate);
    expect(await run("gate", [keys.gate], epoch, state)).toBe(reply);
    const seen = await redis.hgetall(keys.gate);
    const moved: Record<string, string> = { epoch, state };
    if (state === "open") moved.opened = epoch;
    if (reply === "moved") expect(seen).toEqual(moved);
    else expect(seen).toEqual(seenBefore);
  });
});

describe("continue.lua", () => {
  const goOn = (keys: { gate: string; ledger: string }, cursor: string) =>
    run("continue", [keys.gate, keys.ledger], "5", cursor, "77-0", 1);

  test("begins a ledger that is gone behind the cursor", async () => {
    const { keys } = await newSale();
    await redis.hset(keys.gate, { epoch: "5", state: "closed" });
    await redis.del(keys.ledger);
    expect(await goOn(keys, "76-3")).toBe("77-0");
  });

  test("goes on behind the cursor on a Redis that is older than MySQL", async () => {
    const { keys } = await newSale();
    await redis.hset(keys.gate, { epoch: "5", state: "closed" });
    await redis.xadd(keys.ledger, "5-0", "kind", "epoch");
    const late = Date.now() + 3_600_000;
    expect(await goOn(keys, `${late}-4`)).toBe(`${late}-5`);
    // And does not go back when the cursor is behind what the ledger has.
    expect(await goOn(keys, "76-3")).toBe(`${late}-6`);
  });

  test.each([
    ["another epoch", { epoch: "6", state: "closed" }],
    ["an open gate", { epoch: "5", state: "open" }],
  ])("changes nothing for %s", async (_, gate) => {
    const { keys } = await newSale();
    await redis.hset(keys.gate, gate);
    const before = await redis.xlen(keys.ledger);
    expect(await goOn(keys, "1-0")).toBe("stale");
    expect(await redis.xlen(keys.ledger)).toBe(before);
  });
});

describe("swap.lua", () => {
  async function damaged(gate: Record<string, string>) {
    const { saleId, keys } = await newSale();
    const rebuilt = rebuildKey(saleId, 5);
    await redis.hset(keys.gate, gate);
    await redis.hset(keys.sale, { state: "open", granted: 3, closes: 99 });
    await redis.hset(keys.winners, { 1: "1", 2: "2" });
    await redis.hset(rebuilt, { 1: "1", 9: "4" });
    await redis.sadd(keys.rebuilds, "a rebuild");
    const swap = (users = 2) =>
      run(
        "swap",
        [keys.gate, keys.sale, keys.winners, rebuilt, keys.rebuilds],
        ...["5", "a rebuild", users],
        "state",
        "open",
        "granted",
        4,
      );
    return { keys, rebuilt, swap };
  }

  test("the rebuilt sale takes the place of the old one, with nothing left of it", async () => {
    const { keys, rebuilt, swap } = await damaged({ epoch: "5", state: "closed" });
    expect(await swap()).toBe("swapped");
    expect(await redis.hgetall(keys.sale)).toEqual({ state: "open", granted: "4" });
    expect(await redis.hgetall(keys.winners)).toEqual({ 1: "1", 9: "4" });
    expect(await redis.exists(rebuilt, keys.rebuilds)).toBe(0);
  });

  test("winners that are not all there any more are not swapped in", async () => {
    const { keys, rebuilt, swap } = await damaged({ epoch: "5", state: "closed" });
    await redis.hdel(rebuilt, "9");
    expect(await swap()).toBe("incomplete");
    expect(await redis.hget(keys.sale, "granted")).toBe("3");
    expect(await redis.hlen(keys.winners)).toBe(2);
  });

  test("a sale without winners is swapped in as well", async () => {
    const { keys, rebuilt, swap } = await damaged({ epoch: "5", state: "closed" });
    await redis.del(rebuilt);
    expect(await swap(0)).toBe("swapped");
    expect(await redis.exists(keys.winners)).toBe(0);
  });

  test.each([
    ["a gate that is open", { epoch: "5", state: "open" }],
    ["the gate of another epoch", { epoch: "6", state: "closed" }],
  ])("%s lets nothing be swapped", async (_, gate) => {
    const { keys, rebuilt, swap } = await damaged(gate);
    expect(await swap()).toBe("stale");
    expect(await redis.hget(keys.sale, "granted")).toBe("3");
    expect(await redis.hgetall(keys.winners)).toEqual({ 1: "1", 2: "2" });
    expect(await redis.exists(rebuilt)).toBe(1);
  });
});
