// More than the service can do: what is too much is refused at once, what was taken on is finished, and the
// service is its old self afterwards.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import type { RedisServer } from "../src/embedded/redis.ts";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  grabPatiently,
  inParallel,
  mintCustomer,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  tally,
} from "./harness/http.ts";
import { residentBytes } from "./harness/memory.ts";
import { requestText } from "./harness/raw.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  const [server, database] = await Promise.all([startRedis(), freshDatabase()]);
  redis = server;
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  api = await startApi({ ...settings, RATE_LIMITS: "off" });
  past = await behind(settings);
  seller = await newUser(api.url, "seller");
});
afterAll(stopEverything);

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Does something again and again; what came out, and how long the median took. */
async function timed<Result>(times: number, work: () => Promise<Result>) {
  const answers: Result[] = [];
  const took: number[] = [];
  for (let at = 0; at < times; at += 1) {
    const since = performance.now();
    answers.push(await work());
    took.push(performance.now() - since);
  }
  return { answers, medianMs: median(took) };
}

/** Sends requests on a connection each and collects the status lines that come back. */
function flood(texts: readonly string[]) {
  const { hostname, port } = new URL(api.url);
  const statuses: string[] = [];
  let retryAfters = 0;
  const sockets = texts.map((text) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on("error", () => statuses.push("reset"));
    socket.on("data", (data) => {
      const answer = data.toString("latin1");
      statuses.push(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? "?");
      if (answer.includes("\r\nRetry-After: 1\r\n")) retryAfters += 1;
      socket.destroy();
    });
    return socket;
  });
  return {
    statuses,
    retryAfters: () => retryAfters,
    over: () => until("all answers", () => statuses.length === texts.length),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

test("while Redis stands still a flood of grabs is refused, soon and then at once, and later won", async () => {
  const coupon = await newCoupon(api.url, seller, 10_000);
  const crowd = await mintCustomers(2_000);
  expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
  const texts = crowd.map(({ token }) =>
    requestText(`PATCH ${coupon.path}`, [`Authorization: ${token}`]),
  );
  await redis.process.kill("SIGSTOP");
  const since = performance.now();
  const storm = flood(texts);
  try {
    // Those in the first calls wait for the time limit of a command, the next for their turn; when the
    // first of these has waited too long, whoever comes is refused without waiting.
    await until(
      "the queue to be too old",
      () => performance.now() - since > limits.grabWaitMsMax * 2,
    );
    const token = crowd[0]?.token ?? "";
    const probes = await timed(21, () => call(`PATCH ${api.url}${coupon.path}`, { token }));
    for (const { status, headers } of probes.answers) {
      expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    }
    expect(probes.medianMs).toBeLessThan(50);
    await storm.over();
  } finally {
    await redis.process.kill("SIGCONT");
    storm.destroy();
  }
  expect(tally(storm.statuses)).toEqual({ "503": crowd.length });
  expect(storm.retryAfters()).toBe(crowd.length);

  // Nobody knows of some whether they won; asking again tells, and makes it no second time.
  const outcomes = tally(
    await inParallel(crowd, 64, ({ token }) => grabPatiently(api.url, coupon, token)),
  );
  expect((outcomes.won ?? 0) + (outcomes.repeated ?? 0)).toBe(crowd.length);
  const saleId = await past.saleIdOf(coupon.name);
  expect(await past.grantedInRedis(saleId)).toBe(crowd.length + 1);
  await until("the rows", async () => {
    assertRows(await past.rowsOf(saleId), crowd.length + 1);
    return true;
  });
});

test("bodies that never come take no room from grabs, and their own room is bounded", async () => {
  const coupon = await newCoupon(api.url, seller, 10);
  // Half a body holds its request until the rest comes.
  const half = requestText("POST /api/auth", ["Content-Length: 10"], "{");
  const holding = flood(Array.from({ length: limits.httpInFlightBodiesMax + 500 }, () => half));
  try {
    await until("the surplus to be refused", () => holding.statuses.length >= 500);
    expect(tally(holding.statuses)).toEqual({ "503": 500 });
    const probes = await timed(21, () => call(`POST ${api.url}/api/auth`, { body: {} }));
    for (const { status, headers } of probes.answers) {
      expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    }
    expect(probes.medianMs).toBeLessThan(50);
    for (let round = 0; round < 5; round += 1) {
      expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
    }
    expect((await call(`GET ${api.url}/readyz`)).text).toBe("ok");
  } finally {
    holding.destroy();
  }
  const credentials = { username: seller.username, password: seller.password };
  await until("room for log-ins", async () => {
    return (await call(`POST ${api.url}/api/auth`, { body: credentials })).status === 200;
  });
});

test("a flood of log-ins gets a few through, turns the rest away at once, and grabs go on", async () => {
  const coupon = await newCoupon(api.url, seller, 1_000);
  const before = residentBytes(api.pid);
  const username = "nobody at all";
  const since = performance.now();
  const refusedAfterMs: number[] = [];
  const flooding = Promise.all(
    Array.from({ length: 200 }, async () => {
      const answer = await call(`POST ${api.url}/api/auth`, { body: { username, password: "p" } });
      if (answer.status === 503) {
        refusedAfterMs.push(performance.now() - since);
        expect(answer.headers.get("retry-after")).toBe("1");
        expect((answer.body as { kind: string }).kind).toBe("");
      }
      return String(answer.status);
    }),
  );
  const grabs = await timed(20, async () => grab(api.url, coupon, (await mintCustomer()).token));
  const rss = residentBytes(api.pid);
  expect(tally(grabs.answers)).toEqual({ won: 20 });
  expect(grabs.medianMs).toBeLessThan(100);
  const outcomes = tally(await flooding);
  // Two at work and those who may wait; some more as places become free.
  const taken = limits.passwordHashesAtOnce + limits.passwordWaitersMax;
  expect(outcomes["401"]).toBeGreaterThanOrEqual(limits.passwordHashesAtOnce);
  expect(outcomes["503"]).toBeGreaterThanOrEqual(200 - 2 * taken);
  expect((outcomes["401"] ?? 0) + (outcomes["503"] ?? 0)).toBe(200);
  expect(median(refusedAfterMs)).toBeLessThan(500);
  // A hash takes 19 MiB: two at once and some slack, not two hundred.
  expect(rss - before).toBeLessThan(150_000_000);
});

test("an unknown name and a wrong password take the same time", async () => {
  const known: number[] = [];
  const unknown: number[] = [];
  const time = async (username: string, times: number[]) => {
    const since = performance.now();
    const answer = await call(`POST ${api.url}/api/auth`, { body: { username, password: "p" } });
    times.push(performance.now() - since);
    expect(answer.status).toBe(401);
  };
  const difference = () => Math.abs(median(known) / median(unknown) - 1);
  // Another load on the machine may hit one side more than the other; more samples even that out. Without
  // the hash of nobody the difference would be nine tenths.
  for (let round = 0; round < 3 && (round === 0 || difference() >= 0.1); round += 1) {
    for (let sample = 0; sample < 60; sample += 1) {
      await time(seller.username, known);
      await time(freshName("unknown"), unknown);
    }
  }
  expect(difference()).toBeLessThan(0.1);
  expect(median(unknown)).toBeGreaterThan(5);
});
