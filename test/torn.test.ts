// A ledger that has lost entries between the grab and MySQL: the writer does not write past the hole, and recovery
// fills it from what Redis and the processes still know.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { deadLetters } from "../src/ledger/table.ts";
import { rebuildKey, saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import {
  crowd,
  type Engine,
  latestRecovery,
  startEngine,
  stopWriting,
  untilRows,
  writeAgain,
} from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers);
});
afterAll(stopEverything);

/** A sale whose first grants are only in Redis; what one grab at a time puts into entries of their own. */
async function unrecorded(): Promise<{ saleId: number; confirmed: [number, number][] }> {
  const saleId = await engine.sale(30);
  await stopWriting([engine], saleId);
  return { saleId, confirmed: await crowd(engine, saleId, [1, 12], 1) };
}

/** The recovery that the loss has led to. */
const recovered = (saleId: number) =>
  until("a recovery after the first", async () => {
    const latest = await latestRecovery(engine, saleId);
    return (latest?.epochFrom ?? 0) > 0 ? latest : undefined;
  });

describe("entries are lost", () => {
  test("that nobody has read, at the beginning: what the winners say is recorded", async () => {
    const { saleId, confirmed } = await unrecorded();
    const { ledger } = shardKeys(shardOf(saleId));
    await engine.redis.xtrim(ledger, "MAXLEN", 5);
    await writeAgain(engine, saleId);
    await untilRows(engine, saleId, confirmed);
    expect(await recovered(saleId)).toMatchObject({ voids: 0, salesRebuilt: 1 });
    expect(await engine.grabSurely(saleId, 13)).toEqual({ kind: "granted", number: 13 });
  });

  test("in the middle: the writer stops at the hole, and recovery fills it", async () => {
    const { saleId, confirmed } = await unrecorded();
    const { ledger } = shardKeys(shardOf(saleId));
    const entries = await engine.redis.xrange(ledger, "-", "+");
    for (const at of [-4, -5]) await engine.redis.xdel(ledger, entries.at(at)?.[0] ?? "");
    await writeAgain(engine, saleId);
    await untilRows(engine, saleId, confirmed);
    expect(await recovered(saleId)).toMatchObject({ grantsRestored: 2, voids: 0 });
    expect((await recovered(saleId)).reason).toContain("instead of 8");
  });

  test("with their winners: this process knows them, so no number is void", async () => {
    const { saleId, confirmed } = await unrecorded();
    const { ledger } = shardKeys(shardOf(saleId));
    const entries = await engine.redis.xrange(ledger, "-", "+");
    await engine.redis.xdel(ledger, entries.at(-6)?.[0] ?? "");
    await engine.redis.hdel(saleKeys(saleId).winners, "7");
    await writeAgain(engine, saleId);
    await untilRows(engine, saleId, confirmed);
    expect(await engine.grabSurely(saleId, 7)).toEqual({ kind: "repeated", number: 7 });
  });
});

describe("a number that cannot be", () => {
  test.each([
    ["is the sale's own count", "sale", { granted: 1_000_000_000 }, "1000000000"],
    ["is a winner's", "winners", { 99: "1000000000" }, "1000000000"],
    ["is so long that it is no number", "winners", { 99: "9999999999999999" }, "winner 99"],
  ] as const)(
    "%s: that sale is paused and reported, and the shard's others go on",
    async (_, key, field, told) => {
      const saleId = await engine.sale(30);
      const confirmed = await crowd(engine, saleId, [1, 5]);
      await untilRows(engine, saleId, confirmed);
      let neighbour = await engine.sale(30);
      while (shardOf(neighbour) !== shardOf(saleId)) neighbour = await engine.sale(30);
      await engine.redis.hset(saleKeys(saleId)[key], field);
      await engine.redis.script("FLUSH");
      expect(await engine.grabSurely(neighbour, 1)).toEqual({ kind: "granted", number: 1 });
      expect(await engine.grabSurely(saleId, 6)).toEqual({ kind: "paused" });
      expect(await engine.grabSurely(saleId, 5)).toMatchObject({ kind: "repeated" });
      await untilRows(engine, saleId, confirmed);
      const [letter] = (await engine.pool.db.select().from(deadLetters)).slice(-1);
      expect(letter).toMatchObject({ saleId, grantNo: 0 });
      expect(letter?.payload).toContain(told);
      const paused = (await engine.pool.db.select().from(sales)).filter(
        (sale) => sale.id === saleId,
      );
      expect(paused[0]).toMatchObject({ state: "paused", granted: 5 });
    },
  );
});

test("what a dead leader was building is removed, and what a later one builds is not", async () => {
  const saleId = await engine.sale(30);
  const { rebuilds } = shardKeys(shardOf(saleId));
  const [dead, later] = [rebuildKey(saleId, 0), rebuildKey(saleId, 1_000)];
  for (const key of [dead, later]) await engine.redis.hset(key, { 1: "1" });
  await engine.redis.sadd(rebuilds, `0 ${saleId}`, `1000 ${saleId}`);
  await engine.redis.script("FLUSH");
  await engine.grabSurely(saleId, 1);
  expect(await engine.redis.exists(dead)).toBe(0);
  expect(await engine.redis.exists(later)).toBe(1);
  expect(await engine.redis.smembers(rebuilds)).toEqual([`1000 ${saleId}`]);
});

test.each(["sale", "winners"] as const)(
  "a key of another type in the place of the %s is replaced, and closes nothing for long",
  async (key) => {
    const saleId = await engine.sale(30);
    const confirmed = await crowd(engine, saleId, [1, 5]);
    await untilRows(engine, saleId, confirmed);
    await engine.redis.set(saleKeys(saleId)[key], "x");
    await engine.redis.script("FLUSH");
    expect(await engine.grabSurely(saleId, 6)).toEqual({ kind: "granted", number: 6 });
    expect(await crowd(engine, saleId, [1, 5])).toEqual(confirmed);
  },
);
