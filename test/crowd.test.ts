// A crowd from several API processes at once: exactly as many win as there are units, in every book.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { RedisServer } from "../src/embedded/redis.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  grabPatiently,
  inParallel,
  list,
  mintCustomer,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  tally,
} from "./harness/http.ts";
import { startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let mysql: Awaited<ReturnType<typeof startMysql>>;
/** Two processes without limits on rates, and one with them. */
let a: TestApi;
let b: TestApi;
let limited: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: mysql.url };
  const unlimited = { ...settings, RATE_LIMITS: "off" };
  [a, b, limited] = await Promise.all([
    startApi(unlimited),
    startApi(unlimited),
    startApi(settings),
  ]);
  past = await behind(settings);
  seller = await newUser(a.url, "seller");
});
afterAll(stopEverything);

const either = (index: number) => (index % 2 === 0 ? a.url : b.url);

test("of 20,000 attempts on 1,000 units from two processes exactly 1,000 win", async () => {
  const coupon = await newCoupon(a.url, seller, 1_000);
  const crowd = await mintCustomers(20_000);
  const outcomes = await inParallel(crowd, 128, ({ token }, index) =>
    grabPatiently(either(index), coupon, token),
  );
  expect(tally(outcomes)).toEqual({ won: 1_000, sold_out: 19_000 });

  const saleId = await past.saleIdOf(coupon.name);
  expect(await past.grantedInRedis(saleId)).toBe(1_000);
  const rows = await until("1,000 rows", async () => {
    const found = await past.rowsOf(saleId);
    assertRows(found, 1_000);
    return found;
  });
  const winners = crowd.filter((_, index) => outcomes[index] === "won").map(({ id }) => id);
  expect(new Set(rows.map(({ user }) => user))).toEqual(new Set(winners));
});

test("one user who grabs 500 times in parallel wins once and is told so 499 times", async () => {
  const coupon = await newCoupon(a.url, seller, 1_000);
  const { token } = await mintCustomer();
  const outcomes = await inParallel(Array.from({ length: 500 }), 128, (_, index) =>
    grab(either(index), coupon, token),
  );
  expect(tally(outcomes)).toEqual({ won: 1, repeated: 499 });
  expect(await past.grantedInRedis(await past.saleIdOf(coupon.name))).toBe(1);
});

test("with limits on the same user wins once, and the rest is 204 or 429", async () => {
  const coupon = await newCoupon(a.url, seller, 1_000);
  const { token } = await mintCustomer();
  const outcomes = await inParallel(Array.from({ length: 500 }), 128, () =>
    grab(limited.url, coupon, token),
  );
  const { won, repeated = 0, ...others } = tally(outcomes);
  expect(won).toBe(1);
  // A burst of 20, and five more for each second that this took.
  expect(repeated).toBeGreaterThanOrEqual(19);
  expect(others).toEqual({ "429": 499 - repeated });
});

test("the last unit goes to exactly one of two users who ask two processes at once", async () => {
  for (let round = 0; round < 25; round += 1) {
    const coupon = await newCoupon(a.url, seller, 1);
    const [one, two] = [await mintCustomer(), await mintCustomer()];
    const outcomes = await Promise.all([
      grab(a.url, coupon, one.token),
      grab(b.url, coupon, two.token),
    ]);
    expect(outcomes.sort()).toEqual(["sold_out", "won"]);
  }
});

test("a won coupon is on the customer's list on the other process right after the answer", async () => {
  const coupons = await inParallel(Array.from({ length: 25 }), 4, () =>
    newCoupon(a.url, seller, 10),
  );
  const { username, token } = await mintCustomer();
  for (const [index, coupon] of coupons.entries()) {
    expect(await grab(either(index), coupon, token)).toBe("won");
    const count = index + 1;
    const elsewhere = either(index + 1);
    const pages = [
      await list(elsewhere, username, token),
      await list(elsewhere, username, token, 2),
    ];
    const names = pages.flat().map(({ name }) => name);
    expect(names).toHaveLength(count);
    expect(names).toContain(coupon.name);
  }
});

test("a seller's list on the other process counts a grab right after its answer", async () => {
  const shop = await newUser(a.url, "seller");
  const coupon = await newCoupon(b.url, shop, 25);
  const { token } = await mintCustomer();
  for (let left = 24; left >= 0; left -= 1) {
    expect(await grab(either(left), coupon, (await mintCustomer()).token)).toBe("won");
    const [line] = await list(either(left + 1), shop.username, token);
    expect(line?.left).toBe(left);
  }
});

test("two sellers' coupons of one name have stocks and winners of their own", async () => {
  const other = await newUser(b.url, "saler");
  const name = freshName("same");
  const [mine, yours] = [
    await newCoupon(a.url, seller, 1, name),
    await newCoupon(b.url, other, 2, name),
  ];
  const customers = await mintCustomers(3);
  const outcomes = async (coupon: typeof mine) =>
    tally(await Promise.all(customers.map(({ token }, at) => grab(either(at), coupon, token))));
  expect(await outcomes(mine)).toEqual({ won: 1, sold_out: 2 });
  expect(await outcomes(yours)).toEqual({ won: 2, sold_out: 1 });
});

test("while MySQL stands still grabs go on; one's own list is refused, and shows all afterwards", async () => {
  const [first, second] = [await newCoupon(a.url, seller, 9), await newCoupon(a.url, seller, 9)];
  const { username, token } = await mintCustomer();
  expect(await grab(b.url, first, token)).toBe("won");
  // A name that a process has met needs no MySQL any more.
  expect(await grab(b.url, second, (await mintCustomer()).token)).toBe("won");
  const ofSeller = async () => (await list(b.url, seller.username, token))[0]?.left;
  // What was made just now is told twice by MySQL's binlog, and read again each time.
  const since = performance.now();
  await until("MySQL to have told of the coupons", async () => {
    expect(await ofSeller()).toBe(8);
    return performance.now() - since > 2_000;
  });

  await mysql.process.kill("SIGSTOP");
  try {
    // Half of the list would look like coupons lost: it is refused once a query's time is over.
    const waiting = Array.from({ length: 100 }, () =>
      call(`GET ${b.url}/api/users/${username}/coupons`, { token }),
    );
    expect(await grab(a.url, second, token)).toBe("won");
    expect(await grab(b.url, second, token)).toBe("repeated");
    expect(await ofSeller()).toBe(7);
    const crowd = await mintCustomers(7);
    const outcomes = await Promise.all(crowd.map((one) => grab(b.url, second, one.token)));
    expect(tally(outcomes)).toEqual({ won: 7 });
    for (const { status, headers } of await Promise.all(waiting)) {
      expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    }
  } finally {
    await mysql.process.kill("SIGCONT");
  }
  const names = await until("the list", async () =>
    (await list(b.url, username, token)).map(({ name }) => name),
  );
  expect(names).toEqual([second.name, first.name]);
});
