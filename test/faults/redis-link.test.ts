// The link between a process and Redis breaks in every way that a network knows (B27): reset, half open, silent,
// cut off in the middle of an answer, slow, in pieces. Nobody waits long, nothing piles up, nothing is sold twice.

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { limits } from "../../src/limits.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import {
  call,
  inParallel,
  list,
  mintCustomers,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
  tally,
} from "../harness/http.ts";
import { type Link, linkTo } from "../harness/links.ts";
import { freshDatabase, startRedis, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

let link: Link;
let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  link = await linkTo(redis.url);
  const settings = { DATABASE_URL: database.url, RATE_LIMITS: "off" };
  api = await startApi({ ...settings, REDIS_URL: link.url });
  past = await behind({ ...settings, REDIS_URL: redis.url });
  seller = await newUser(api.url, "seller");
});
afterEach(() => link.proxy.heal());
afterAll(stopEverything);

const urls = () => [api.url];
const granted = async ({ name }: TestCoupon) => past.grantedInRedis(await past.saleIdOf(name));

/** A crowd for which there are 50 units too few, and what the link does to it meanwhile. */
async function sellOut(total: number, meanwhile: (coupon: TestCoupon) => Promise<void>) {
  const coupon = await newCoupon(api.url, seller, total);
  const storm = crowdAsks(urls, coupon, await mintCustomers(total + 50));
  await meanwhile(coupon);
  const told = await storm;
  const { won = 0, repeated = 0, sold_out } = tally([...told.outcomes.values()]);
  expect([won + repeated, sold_out]).toEqual([total, 50]);
  await untilBooksAgree(past, coupon, total, told);
  return told;
}

test("reset again and again under load: unknown outcomes are told on asking again", async () => {
  const told = await sellOut(1_500, async (coupon) => {
    for (const share of [100, 400, 700, 1_000]) {
      await until(`${share} grants`, async () => (await granted(coupon)) >= share);
      link.proxy.reset();
    }
  });
  expect(told.answers).toContain("503");
});

test("cut off in the middle of an answer: the same", async () => {
  await sellOut(500, async (coupon) => {
    await until("some grants", async () => (await granted(coupon)) >= 50);
    link.proxy.limitAnswers(300);
    await until("more grants", async () => (await granted(coupon)) >= 60);
    link.proxy.heal();
  });
});

test("slow by 300 ms there and back, and in pieces of 7 bytes: grabs are slower, and all are won", async () => {
  link.proxy.slow(150);
  link.proxy.slice(7);
  const told = await sellOut(100, async () => undefined);
  expect(told.answers).not.toContain("lost");
  // The first of them may be refused, before it is known how long a call takes.
  expect(told.answers.length).toBeLessThan(2 * 150);
});

test("half open for good: the connections are given up, and grabs go on over new ones", async () => {
  const told = await sellOut(500, async (coupon) => {
    await until("some grants", async () => (await granted(coupon)) >= 50);
    link.proxy.silence();
  });
  expect(told.answers).toContain("503");
});

const residentBytes = async () =>
  Number(/^doorbuster_memory_bytes (\S+)$/m.exec(await metricsText())?.[1]);
const metricsText = async () => (await fetch(`${api.opsUrl}/metrics`)).text();

test("half open, and silent to new connections: 503 in bounded time and memory, lists go on, then normal", async () => {
  const coupon = await newCoupon(api.url, seller, 3_000);
  const crowd = await mintCustomers(2_000);
  await crowdAsks(urls, coupon, crowd.slice(0, 100));
  const before = await residentBytes();
  link.proxy.freeze();
  const startedAt = performance.now();
  let waiting = 0;
  let slowestMs = 0;
  const answers = await inParallel(crowd, 512, async ({ token }) => {
    const since = performance.now();
    const answer = await call(`PATCH ${api.url}${coupon.path}`, { token });
    slowestMs = Math.max(slowestMs, performance.now() - since);
    return `${answer.status} ${answer.headers.get("retry-after")}`;
  });
  expect(tally(answers)).toEqual({ "503 1": 2_000 });
  expect(slowestMs).toBeLessThan(3 * limits.redisCommandTimeoutMs);
  await until("the link to be given up", async () => {
    const { redis } = (await (await fetch(`${api.opsUrl}/readyz`)).json()) as {
      redis: { connection: string; grabsWaiting: number };
    };
    waiting = redis.grabsWaiting;
    return performance.now() - startedAt > 2 * limits.redisCommandTimeoutMs;
  });
  expect(waiting).toBe(0);
  expect(await list(api.url, seller.username, seller.token)).not.toEqual([]);
  expect((await residentBytes()) - before).toBeLessThan(100 * 1024 * 1024);
  link.proxy.heal();
  const told = await crowdAsks(urls, coupon, crowd);
  await untilBooksAgree(past, coupon, 3_000, told);
});
