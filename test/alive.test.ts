// The shortest way through all of it: what must work before it is worth asking what else does. The runner of the
// mutants demands it of each of them, because a tree that does not start proves nothing.

import { afterAll, expect, test } from "bun:test";
import { startApi } from "./harness/api.ts";
import { grab, list, newCoupon, newUser } from "./harness/http.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("a coupon is made, won by one customer, and becomes a row", async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase({ migrated: false })]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const { url } = await startApi(settings);
  const [seller, customer] = await Promise.all([newUser(url, "seller"), newUser(url, "customer")]);
  const coupon = await newCoupon(url, seller, 1);
  expect(await grab(url, coupon, customer.token)).toBe("won");
  expect(await list(url, customer.username, customer.token)).toHaveLength(1);
  const { rowsOf, saleIdOf } = await behind(settings);
  const saleId = await saleIdOf(coupon.name);
  await until("the row", async () => (await rowsOf(saleId)).length === 1);
});
