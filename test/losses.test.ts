// What the originals lose: one test for each of the eight, over HTTP, with processes that are really killed.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import type { RedisServer } from "../src/embedded/redis.ts";
import { users } from "../src/users/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  grabPatiently,
  inParallel,
  list,
  logIn,
  mintCustomers,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
  tally,
} from "./harness/http.ts";
import { startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import {
  assertRows,
  type Behind,
  behind,
  commandCounts,
  databaseCounter,
} from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let mysql: Awaited<ReturnType<typeof startMysql>>;
let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  settings = { REDIS_URL: redis.url, DATABASE_URL: mysql.url, RATE_LIMITS: "off" };
  api = await startApi(settings);
  past = await behind(settings);
  seller = await newUser(api.url, "seller");
});
afterAll(stopEverything);

/** Grabs for many customers at once; how often each outcome came. */
async function storm(coupon: TestCoupon, tokens: readonly string[]) {
  return tally(await inParallel(tokens, 64, (token) => grabPatiently(api.url, coupon, token)));
}

const rowsAre = (coupon: TestCoupon, count: number) =>
  until(`${count} rows`, async () => {
    const rows = await past.rowsOf(await past.saleIdOf(coupon.name));
    assertRows(rows, count);
    return rows;
  });

test("1. an owner is in MySQL, survives a restart of everything, and cannot grab again", async () => {
  const customer = await newUser(api.url, "customer");
  const coupon = await newCoupon(api.url, seller, 5);
  expect(await grab(api.url, coupon, customer.token)).toBe("won");
  expect(await api.end("SIGTERM")).toBe(0);
  await redis.process.stop();
  await mysql.process.stop();

  await Promise.all([redis.process.start(), mysql.process.start()]);
  api = await startApi(settings);
  expect(await rowsAre(coupon, 1)).toHaveLength(1);
  const token = await logIn(api.url, customer);
  expect((await list(api.url, customer.username, token)).map(({ name }) => name)).toEqual([
    coupon.name,
  ]);
  expect(await grab(api.url, coupon, token)).toBe("repeated");
  expect((await list(api.url, seller.username, token))[0]?.left).toBe(4);
});

test("2. kill -9 after 400 confirmed grabs: 400 rows, none of them sold again", async () => {
  const coupon = await newCoupon(api.url, seller, 450);
  const winners = (await mintCustomers(400)).map(({ token }) => token);
  // MySQL stands still, so that not one of the 400 is recorded when the process dies.
  await mysql.process.kill("SIGSTOP");
  try {
    expect(await storm(coupon, winners)).toEqual({ won: 400 });
    await api.end("SIGKILL");
  } finally {
    await mysql.process.kill("SIGCONT");
  }

  api = await startApi(settings);
  await rowsAre(coupon, 400);
  expect(await storm(coupon, winners)).toEqual({ repeated: 400 });
  const others = (await mintCustomers(100)).map(({ token }) => token);
  expect(await storm(coupon, others)).toEqual({ won: 50, sold_out: 50 });
  await rowsAre(coupon, 450);
});

/** Grabs until it is won: 503 in between is what the service says while it looks at Redis. */
const grabUntilWon = (coupon: TestCoupon, token: string) =>
  until("a grab to work again", async () => {
    const outcome = await grab(api.url, coupon, token);
    if (outcome !== "won" && outcome !== "503") throw new Error(outcome);
    return outcome === "won";
  });

test("3. after SCRIPT FLUSH, and after kill -9 of Redis, grabs work again by themselves", async () => {
  const coupon = await newCoupon(api.url, seller, 3);
  const [one, two, three, late] = (await mintCustomers(4)).map(({ token }) => token);
  await grabUntilWon(coupon, one ?? "");
  await past.redis.script("FLUSH");
  await grabUntilWon(coupon, two ?? "");
  await redis.process.kill("SIGKILL");
  await redis.process.start();
  await grabUntilWon(coupon, three ?? "");
  for (const token of [one, two, three]) {
    expect(await grab(api.url, coupon, token ?? "")).toBe("repeated");
  }
  expect(await grab(api.url, coupon, late ?? "")).toBe("sold_out");
  await rowsAre(coupon, 3);
});

test("4. a log-in with an empty name is nobody, whatever the password", async () => {
  for (const body of [
    { username: "", password: "" },
    { username: "", password: seller.password },
    { password: seller.password },
    { username: null, password: seller.password },
  ]) {
    const answer = await call(`POST ${api.url}/api/auth`, { body });
    expect([answer.status, answer.body]).toEqual([401, { errMsg: "No such queryUser.", kind: "" }]);
  }
});

test("5. a negative amount is refused, and nothing is on sale", async () => {
  const where = `POST ${api.url}/api/users/${seller.username}/coupons`;
  const name = freshName("endless");
  const body = { name, amount: -1, stock: 500, description: "" };
  const answer = await call(where, { token: seller.token, body });
  expect([answer.status, answer.body]).toEqual([
    400,
    { errMsg: "Create failed. Use an amount of 1 to 10000000." },
  ]);
  const path = `/api/users/${seller.username}/coupons/${name}`;
  const [customer] = await mintCustomers(1);
  expect(await grab(api.url, { name, path }, customer?.token ?? "")).toBe("not_found");
});

test("6. a token holds nothing of the password, and logging out ends it on another process", async () => {
  const { username, password, token } = await newUser(api.url, "customer");
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  expect(Object.keys(JSON.parse(payload) as object).sort()).toEqual(
    ["sub", "username", "kind", "use", "iss", "jti", "iat", "exp"].sort(),
  );
  const md5 = createHash("md5").update(password).digest();
  for (const secret of [password, md5.toString("hex"), md5.toString("base64")]) {
    expect(payload).not.toContain(secret);
  }

  const other = await startApi(settings);
  const look = () => call(`GET ${other.url}/api/users/${username}/coupons`, { token });
  expect((await look()).status).toBe(204);
  expect((await call(`POST ${api.url}/api/auth/logout`, { token })).status).toBe(200);
  await until("the token to end there", async () => (await look()).status === 401);
  expect(await other.end("SIGTERM")).toBe(0);
});

test("7. names with SQL in them are stored as they are, and do nothing", async () => {
  const names = ["' OR 1=1 -- ", "'); DROP TABLE u; --", '" OR ""="', "`sales`", "a\\' OR 1=1#"];
  const before = await past.db.$count(users);
  for (const name of names) {
    const username = name.trim();
    const body = { username, password: name, kind: "seller" };
    expect((await call(`POST ${api.url}/api/users`, { body })).status).toBe(201);
    const token = await logIn(api.url, body);
    const shop: TestUser = { username, password: name, kind: "seller", token };
    const coupon = await newCoupon(api.url, shop, 2, name);
    const [customer] = await mintCustomers(1);
    expect(await grab(api.url, coupon, customer?.token ?? "")).toBe("won");
    expect(await list(api.url, username, token)).toEqual([
      { name, stock: 500, description: "five off", amount: 2, left: 1 },
    ] as never);
    await rowsAre(coupon, 1);
  }
  expect(await past.db.$count(users)).toBe(before + names.length);
  const [rows] = await past.db.execute(sql`SELECT username FROM users ORDER BY id DESC LIMIT 1`);
  expect(rows as unknown).toEqual([{ username: names.at(-1) }]);
});

/** What a piece of work costs Redis, by command, without what the ledger's thread does anyway. */
async function costOf(work: () => Promise<unknown>): Promise<Map<string, number>> {
  const before = await commandCounts(past.redis);
  await work();
  const after = await commandCounts(past.redis);
  const cost = new Map<string, number>();
  for (const [name, calls] of after) {
    const more = calls - (before.get(name) ?? 0);
    if (more > 0) cost.set(name, more);
  }
  return cost;
}

const LOOKS = 50;
/** The ledger's thread and the look for cold sales ask MySQL a few times a second. */
const QUERIES_ASIDE = 30;

/** What one look costs: calls of Redis by name (those that scripts make counted too), and queries. */
async function costOfLook(look: () => Promise<unknown>) {
  await look();
  const selects = await databaseCounter(past.db, "Com_select");
  const cost = await costOf(async () => {
    for (let at = 0; at < LOOKS; at += 1) await look();
  });
  const queries = (await databaseCounter(past.db, "Com_select")) - selects - QUERIES_ASIDE;
  // What else the process does adds to it, and less than one call a look.
  const per = (name: string) => Math.floor((cost.get(name) ?? 0) / LOOKS);
  return { scripts: per("evalsha_ro"), sets: per("smembers"), reads: per("hmget"), queries };
}

/** The least of five, each figure by itself: what else the process does may fall into any of them. */
async function costOfQuietLook(look: () => Promise<unknown>) {
  const costs: Awaited<ReturnType<typeof costOfLook>>[] = [];
  for (let round = 0; round < 5; round += 1) costs.push(await costOfLook(look));
  const least = (figure: keyof (typeof costs)[number]) =>
    Math.min(...costs.map((cost) => cost[figure]));
  return {
    ...{ scripts: least("scripts"), sets: least("sets") },
    ...{ reads: least("reads"), queries: least("queries") },
  };
}

test("8a. a list costs the same with 20 coupons and with 120: one round trip or two, one query at most", async () => {
  const shop = await newUser(api.url, "seller");
  const [customer] = await mintCustomers(1);
  const { username, token } = customer ?? { username: "", token: "" };
  for (const more of [20, 100]) {
    const coupons = await inParallel(Array.from({ length: more }), 8, () =>
      newCoupon(api.url, shop, 5),
    );
    const grabs = await inParallel(coupons, 8, (coupon) => grab(api.url, coupon, token));
    expect(tally(grabs)).toEqual({ won: more });
    await inParallel(coupons, 4, (coupon) => rowsAre(coupon, 1));

    const ofSeller = await costOfQuietLook(() => list(api.url, shop.username, shop.token));
    // One pipeline: one script per shard that has something of the page, one read per line inside.
    expect(ofSeller.scripts).toBeLessThanOrEqual(16);
    expect(ofSeller.reads).toBe(20);
    expect(ofSeller.queries).toBeLessThan(LOOKS / 2);

    const own = await costOfQuietLook(() => list(api.url, username, token));
    // One pipeline over the shards; all grants are recorded, so nothing more is to be asked of Redis.
    expect([own.scripts, own.sets, own.reads]).toEqual([0, 16, 0]);
    expect(own.queries).toBeLessThanOrEqual(LOOKS);
  }
});

test("8b. under load a grab costs a small part of one script call, and no look-up", async () => {
  const coupon = await newCoupon(api.url, seller, 1_000);
  const tokens = (await mintCustomers(3_000)).map(({ token }) => token);
  const cost = await costOf(async () => {
    expect(await storm(coupon, tokens)).toEqual({ won: 1_000, sold_out: 2_000 });
  });
  expect(cost.get("evalsha") ?? 0).toBeLessThan(1_000);
  expect(cost.get("xadd") ?? 0).toBeLessThan(500);
  expect(cost.get("get") ?? 0).toBeLessThan(10);
  await rowsAre(coupon, 1_000);
});
