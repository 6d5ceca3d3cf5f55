import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createThrottle } from "./throttle.ts";

/** Counts like Redis; `leftMs` is what PTTL says. */
function fakeRedis(leftMs = 60_000) {
  const counts = new Map<string, number>();
  const multi = () => {
    const replies: [Error | null, unknown][] = [];
    const reply = (value: unknown) => {
      replies.push([null, value]);
      return chain;
    };
    const chain = {
      incr: (key: string) => {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return reply(counts.get(key));
      },
      expire: () => reply(1),
      pttl: () => reply(leftMs),
      exec: () => Promise.resolve(replies),
    };
    return chain;
  };
  return { redis: { multi } as unknown as Redis, counts };
}

test("one name is stopped after its bound, from however many addresses", async () => {
  const throttle = createThrottle(fakeRedis().redis, true);
  const max = limits.loginsPerNamePerWindow;
  for (let at = 0; at < max; at++) {
    expect(await throttle.logIn({ name: "Bob", address: `1.1.1.${at}` })).toBe(0);
  }
  expect(await throttle.logIn({ name: "ＢＯＢ", address: "2.2.2.2" })).toBe(60);
  expect(await throttle.logIn({ name: "alice", address: "2.2.2.2" })).toBe(0);
  expect(await throttle.register({ name: "bob", address: "2.2.2.2" })).toBe(0);
});

test("one address is stopped after its bound, and then uses up no name's attempts", async () => {
  const { redis, counts } = fakeRedis();
  const throttle = createThrottle(redis, true);
  const max = limits.registrationsPerAddressPerWindow;
  for (let at = 0; at < max; at++) {
    expect(await throttle.register({ name: `user${at}`, address: "1.1.1.1" })).toBe(0);
  }
  const keys = counts.size;
  expect(await throttle.register({ name: "new", address: "1.1.1.1" })).toBe(60);
  expect(counts.size).toBe(keys);
});

test("the time to wait is rounded up to a coarse step", async () => {
  const waits: number[] = [];
  for (const leftMs of [1, 9_999, 10_001, 59_001]) {
    const throttle = createThrottle(fakeRedis(leftMs).redis, true);
    const attempt = { name: "bob", address: "1.1.1.1" };
    for (let at = 0; at < limits.loginsPerNamePerWindow; at++) await throttle.logIn(attempt);
    waits.push(await throttle.logIn(attempt));
  }
  expect(waits).toEqual([10, 10, 20, 60]);
});

test("without Redis nobody gets through, with limits off everybody does", async () => {
  const redis = {
    multi: () => {
      throw new Error("Connection is closed.");
    },
  } as unknown as Redis;
  const attempt = { name: "bob", address: "1.1.1.1" };
  const refused = await createThrottle(redis, true)
    .logIn(attempt)
    .catch((error: Error) => error.message);
  expect(refused).toBe("Connection is closed.");
  expect(await createThrottle(redis, false).logIn(attempt)).toBe(0);
});
