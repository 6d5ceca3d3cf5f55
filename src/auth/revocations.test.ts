import { afterEach, expect, test } from "bun:test";
import { until } from "../../test/harness/until.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { createRevocations, type Revocations } from "./revocations.ts";

/** One Redis that several processes share: a sorted set, a version, and a channel that can lose messages. */
function fakeServer() {
  const tokens = new Map<string, number>();
  const listeners = new Set<(channel: string, message: string) => void>();
  const server = { version: 0, tokens, away: false, deaf: false, scans: 0 };

  const answer = <Value>(make: () => Value): Promise<Value> =>
    server.away ? Promise.reject(new Error("Connection is closed.")) : Promise.resolve().then(make);

  const multi = () => {
    const steps: (() => unknown)[] = [];
    const step = (run: () => unknown) => {
      steps.push(run);
      return chain;
    };
    const chain = {
      get: () => step(() => (server.version === 0 ? null : String(server.version))),
      incr: () => step(() => ++server.version),
      zadd: (_key: string, score: number, member: string) =>
        step(() => tokens.set(member, score).size),
      publish: (channel: string, message: string) =>
        step(() => {
          if (!server.deaf) for (const listener of listeners) listener(channel, message);
          return listeners.size;
        }),
      exec: () => answer(() => steps.map((run) => [null, run()])),
    };
    return chain;
  };
  const redis = {
    multi,
    zscan: () =>
      answer(() => {
        server.scans++;
        return ["0", [...tokens].flatMap(([member, score]) => [member, String(score)])];
      }),
    zremrangebyscore: (_key: string, _from: string, to: string) =>
      answer(() => {
        const before = Number(to.slice(1));
        for (const [member, score] of tokens) if (score < before) tokens.delete(member);
      }),
  };
  const subscriber = () => {
    let listener = (_channel: string, _message: string) => {};
    const made = {
      on: (event: string, handler: typeof listener) => {
        if (event === "message") listener = handler;
        return made;
      },
      off: () => {
        listeners.delete(listener);
        return made;
      },
      subscribe: () => answer(() => listeners.add(listener)),
    };
    return made;
  };
  return { server, redis: redis as unknown as Redis, subscriber };
}

const clock = { time: 1_790_000_000_000, now: () => clock.time };
const expiry = clock.time / 1_000 + 3_600;
const log = createLog("silent");
const running: Revocations[] = [];

function processOn({ redis, subscriber }: ReturnType<typeof fakeServer>): Revocations {
  const made = createRevocations({
    redis,
    subscriber: subscriber() as unknown as Redis,
    clock,
    log,
  });
  running.push(made);
  return made;
}

afterEach(async () => {
  for (const revocations of running.splice(0)) await revocations.stop();
});

test("a token that one process revokes stops working on the others at once", async () => {
  const fake = fakeServer();
  const [one, other] = [processOn(fake), processOn(fake)];
  await Promise.all([one.start(), other.start()]);
  await one.revoke("a b", expiry);
  expect([one.has("a b"), other.has("a b"), other.has("a")]).toEqual([true, true, false]);
  expect(fake.server.tokens.get("a b")).toBe(expiry);
});

test("a process that starts later knows what was revoked before", async () => {
  const fake = fakeServer();
  const one = processOn(fake);
  await one.start();
  await one.revoke("early", expiry);
  const later = processOn(fake);
  await later.start();
  expect(later.has("early")).toBe(true);
});

test("a lost message is noticed, and the set is loaded anew only then", async () => {
  const fake = fakeServer();
  const [one, other] = [processOn(fake), processOn(fake)];
  await Promise.all([one.start(), other.start()]);
  await one.revoke("heard", expiry);
  const scans = fake.server.scans;
  fake.server.deaf = true;
  await one.revoke("lost", expiry);
  expect(other.has("lost")).toBe(false);
  fake.server.deaf = false;
  expect(fake.server.scans).toBe(scans);
  await until("the other process has noticed", () => other.has("lost"));
});

test("a start while Redis is away ends when Redis is back", async () => {
  const fake = fakeServer();
  fake.server.tokens.set("old", expiry);
  fake.server.away = true;
  const late = processOn(fake);
  const started = late.start();
  expect(late.loaded()).toBe(false);
  fake.server.away = false;
  await started;
  expect([late.loaded(), late.has("old")]).toEqual([true, true]);
});

test("a revocation that Redis did not take is an error, and what was known stays known", async () => {
  const fake = fakeServer();
  const one = processOn(fake);
  await one.start();
  await one.revoke("known", expiry);
  fake.server.away = true;
  const refused = await one.revoke("new", expiry).catch((error: Error) => error.message);
  expect(refused).toBe("Connection is closed.");
  expect([one.has("known"), one.has("new")]).toEqual([true, false]);
});

test("an expired token is dropped from memory and from Redis, a little after its expiry", async () => {
  const fake = fakeServer();
  fake.server.tokens.set("kept", clock.time / 1_000 - limits.clockSkewSeconds);
  fake.server.tokens.set("dropped", clock.time / 1_000 - limits.clockSkewSeconds - 1);
  const one = processOn(fake);
  await one.start();
  await until("the sweep is done", () => fake.server.tokens.size === 1);
  expect([one.has("kept"), one.has("dropped")]).toEqual([true, false]);
});

test("when the set is full a log-out fails, rather than being forgotten", async () => {
  const fake = fakeServer();
  for (let at = 0; at < limits.revokedTokensMax; at++) fake.server.tokens.set(`t${at}`, expiry);
  const one = processOn(fake);
  await one.start();
  const refused = await one.revoke("more", expiry).catch((error: Error) => error.name);
  expect([refused, one.has("more")]).toEqual(["Overloaded", false]);
});

test("a stop during a start ends both", async () => {
  const fake = fakeServer();
  fake.server.away = true;
  const one = processOn(fake);
  const started = one.start();
  await one.stop();
  await started;
});
