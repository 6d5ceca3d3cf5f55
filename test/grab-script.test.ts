// Facts about grab.lua on a real Redis, one by one; grab-property.test.ts compares it with a model.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shardScripts } from "../src/grab/scripts.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { type GrabCheck, grabChecks } from "./harness/grab-checks.ts";
import { by, grabRig } from "./harness/grab-rig.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let redis: Redis;
let nextSale = 1;
const newRig = () => grabRig(redis, shardScripts("facts").grab.text, nextSale++);

beforeAll(async () => {
  const { url } = await startRedis();
  redis = connectRedis(url, "grabs", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
});
afterAll(stopEverything);

describe("grab.lua", () => {
  for (const [fact, check] of Object.entries<GrabCheck>(grabChecks)) {
    test(fact, async () => check(await newRig(), redis));
  }
});

const redisNow = async (): Promise<number> => {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
};

describe("the window", () => {
  test("a sale opens at its time by Redis's clock, and not before", async () => {
    const rig = await newRig();
    const opens = (await redisNow()) + 150;
    await rig.put({ sale: { opens } });
    expect(await rig.grab(by(1))).toEqual(["not_started"]);
    await until("the opening", async () => String(await rig.grab(by(1))) === "granted 1 1");
    const [entry] = (await rig.seen()).entries;
    const at = entry?.kind === "grant" ? entry.grants[0]?.grantedAt.getTime() : 0;
    expect(at).toBeGreaterThanOrEqual(opens);
  });

  test("a sale ends at its time, and who has won keeps the answer", async () => {
    const rig = await newRig();
    const closes = (await redisNow()) + 150;
    await rig.put({ sale: { closes, total: 1_000 } });
    expect(await rig.grab(by(1))).toEqual(["granted 1 1"]);
    let user = 2;
    await until("the end", async () => String(await rig.grab(by(user++))) === "ended");
    expect(await rig.grab(by(1, user))).toEqual(["repeated 1 1", "ended"]);
  });
});

describe("the script as a whole", () => {
  test("a call of the greatest size is decided", async () => {
    const rig = await newRig();
    const users = Array.from(
      { length: limits.grabCallAttemptsMax },
      (_, i) => 900_000_000_000_000 + i,
    );
    await rig.put({ sale: { total: users.length - 1 } });
    const reply = await rig.grab(by(...users));
    expect(reply.at(-2)).toBe(`granted ${users.length - 1} 1`);
    expect(reply.at(-1)).toBe("sold_out");
  });

  test("numbers stay exact far beyond the thirty-two bits of an integer", async () => {
    const rig = await newRig();
    const granted = 9_000_000_000_000;
    await rig.put({ sale: { total: granted + 2, granted, recorded: granted } });
    expect(await rig.grab(by(1, 2, 3))).toEqual([
      ...[`granted ${granted + 1} 1`, `granted ${granted + 2} 1`, "sold_out"],
    ]);
    expect((await rig.seen()).sale.granted).toBe(String(granted + 2));
  });

  test("a Redis without memory refuses it before it begins, so that nothing is half done", async () => {
    const rig = await newRig();
    await rig.put({});
    const before = await rig.seen();
    await redis.config("SET", "maxmemory", "1");
    try {
      expect(await rig.grab(by(1))).toBe("error");
    } finally {
      await redis.config("SET", "maxmemory", "0");
    }
    expect(await rig.seen()).toEqual(before);
    expect(await rig.grab(by(1))).toEqual(["granted 1 1"]);
  });

  test("a Redis that forgot its scripts answers NOSCRIPT, and nobody has won", async () => {
    const rig = await newRig();
    await rig.put({});
    await redis.script("FLUSH");
    const { sha } = shardScripts("facts").grab;
    const { gate, sale, winners, ledger, unrecorded } = rig.keys;
    const call = redis.evalsha(sha, 5, gate, sale, winners, ledger, unrecorded, "5", 9, 1, "1", "");
    await expect(call).rejects.toThrow(/^NOSCRIPT/);
    expect((await rig.seen()).winners).toEqual({});
  });
});
