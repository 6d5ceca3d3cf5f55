// The proxy of the fault tests: that it breaks links, and that it does not when it is not told to.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { type FaultProxy, startProxy } from "./harness/proxy.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let proxy: FaultProxy;
let redis: Redis;
let direct: Redis;

beforeAll(async () => {
  const { url } = await startRedis();
  proxy = await startProxy({ path: decodeURIComponent(new URL(url).pathname) });
  stopLater(() => proxy.close());
  redis = connectRedis(`redis://127.0.0.1:${proxy.port}`, "reads", createLog("silent"));
  direct = connectRedis(url, "reads", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  stopLater(() => Promise.resolve(direct.disconnect()));
  await until("the connection beside the proxy", () => direct.status === "ready");
});
beforeEach(async () => {
  proxy.heal();
  await until("an answer", async () => (await redis.ping()) === "PONG");
});
afterAll(stopEverything);

test("what comes through comes whole and in order, also in small pieces and with a delay", async () => {
  const text = "0123456789".repeat(20_000);
  await redis.set("text", text);
  expect(await redis.get("text")).toBe(text);
  proxy.slice(7_000);
  expect(await redis.get("text")).toBe(text);
  proxy.slow(20);
  const before = performance.now();
  expect(await redis.get("text")).toBe(text);
  expect(performance.now() - before).toBeGreaterThanOrEqual(39);
});

test("what was delayed is not overtaken when the delay ends", async () => {
  proxy.slow(300);
  const late = redis.echo("late");
  // Round trips beside the proxy, in the same loop: after them the question has come to the proxy.
  for (let trip = 0; trip < 5; trip++) await direct.ping();
  proxy.heal();
  expect(await Promise.all([late, redis.echo("next")])).toEqual(["late", "next"]);
});

test("a cut link fails at once and stays away until it is healed", async () => {
  const under = redis.blpop("nothing", 0.9).catch((error: Error) => error);
  proxy.cut();
  expect(await under).toBeInstanceOf(Error);
  await until("the connection to be gone", () => redis.status !== "ready");
  expect(redis.ping()).rejects.toThrow();
});

test("a frozen link answers nothing, and goes on where it was", async () => {
  proxy.freeze();
  const answer = redis.ping();
  let answered = false;
  void answer.finally(() => (answered = true)).catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  proxy.heal();
  expect(await answer).toBe("PONG");
});

test("an answer that is cut off in the middle is a reset", async () => {
  await redis.set("text", "x".repeat(1_000));
  proxy.limitAnswers(10);
  expect(await redis.get("text").catch((error: Error) => error)).toBeInstanceOf(Error);
});
