// Pub/sub messages are lost (part of B27): the connections that wait for them are killed again and again. What was
// said over them must not be the only way to learn it: a token that was logged out dies on every process, and what
// a process answers from memory stays true.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { limits } from "../../src/limits.ts";
import { saleKeys } from "../../src/redis/keys.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import { call, grab, mintCustomers, newCoupon, newUser, type TestUser } from "../harness/http.ts";
import { type Link, linkTo } from "../harness/links.ts";
import { freshDatabase, startRedis, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks } from "../harness/told.ts";
import { until } from "../harness/until.ts";

let apis: [TestApi, TestApi];
/** Between the second process and Redis. */
let link: Link;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url, RATE_LIMITS: "off" };
  link = await linkTo(redis.url);
  apis = await Promise.all([startApi(settings), startApi({ ...settings, REDIS_URL: link.url })]);
  past = await behind(settings);
  seller = await newUser(apis[0].url, "seller");
});
afterAll(stopEverything);

/** While `work` runs, no subscriber of Redis lives for longer than a moment. */
async function withoutMessages<Result>(work: () => Promise<Result>): Promise<Result> {
  let over = false;
  const killing = until(
    "the end",
    async () => {
      await past.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
      return over;
    },
    { withinMs: 30_000 },
  );
  try {
    return await work();
  } finally {
    over = true;
    await killing;
  }
}

const isRefused = async ({ url }: TestApi, { username, token }: TestUser) =>
  (await call(`GET ${url}/api/users/${username}/coupons`, { token })).status === 401;

test("a token that was logged out on one process dies on the other within its bound", async () => {
  const [first, second] = apis;
  const users = await Promise.all([1, 2, 3].map(() => newUser(first.url, "customer")));
  await withoutMessages(async () => {
    for (const user of users) {
      expect(await isRefused(second, user)).toBe(false);
      expect((await call(`POST ${first.url}/api/auth/logout`, { token: user.token })).status).toBe(
        200,
      );
      const since = performance.now();
      await until("the token to die", () => isRefused(second, user));
      expect(performance.now() - since).toBeLessThan(8 * limits.revocationCheckMs);
    }
  });
});

test("a process that says `sold out` from memory sells again within its bound when there is more", async () => {
  const [first, second] = apis;
  const coupon = await newCoupon(first.url, seller, 20);
  const customers = await mintCustomers(30);
  await crowdAsks(() => [first.url, second.url], coupon, customers);
  const saleId = await past.saleIdOf(coupon.name);
  await withoutMessages(async () => {
    const [late] = await mintCustomers(1);
    for (const { url } of apis) {
      expect(await grab(url, coupon, late?.token ?? "")).toBe("sold_out");
    }
    await past.redis.hset(saleKeys(saleId).sale, { total: 22 });
    for (const { url } of apis) {
      const [newcomer] = await mintCustomers(1);
      await until(
        "a unit",
        async () => (await grab(url, coupon, newcomer?.token ?? "")) === "won",
        {
          withinMs: 3 * limits.soldOutTrustMs,
        },
      );
    }
  });
});

test("a token dies in time also where the connection for messages is half open and stays so", async () => {
  const [first, second] = apis;
  const user = await newUser(first.url, "customer");
  expect(await isRefused(second, user)).toBe(false);
  link.proxy.silence();
  expect((await call(`POST ${first.url}/api/auth/logout`, { token: user.token })).status).toBe(200);
  // Two looks, and the time after which a silent connection is given up.
  await until("the token to die", () => isRefused(second, user));
});
