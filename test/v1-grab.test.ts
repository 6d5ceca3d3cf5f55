import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { coupons } from "../src/coupons/table.ts";
import { burstOf } from "../src/grab/buckets.ts";
import { grants } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { cacheKeys, saleKeys } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName, grab as grabClassic, mintCustomer, newUser } from "./harness/http.ts";
import { type Link, linkTo } from "./harness/links.ts";
import { newSale } from "./harness/sales.ts";
import { makeSale } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;
let redis: Link;

beforeAll(async () => {
  const { settings } = await startStores();
  redis = await linkTo(settings.REDIS_URL);
  [api, past] = await Promise.all([
    startApi({ ...settings, REDIS_URL: redis.url }),
    behind(settings),
  ]);
});
afterAll(stopEverything);

const grab = (saleId: number | string, token?: string, key?: string) =>
  v1(api.url, `POST /v1/sales/${saleId}/grab`, { token, ...(key === undefined ? {} : { key }) });
const mine = (saleId: number, token: string) =>
  v1(api.url, `GET /v1/sales/${saleId}/grabs/me`, { token });

const HOUR_MS = 3_600_000;

describe("a grab", () => {
  test("that wins is answered with number, code and durability, and the same again when repeated", async () => {
    const saleId = await newSale(past, 2);
    const [one, other] = [await mintCustomer(), await mintCustomer()];
    const first = await grab(saleId, one.token);
    expect(first.status).toBe(201);
    expect(first.body).toEqual({
      ...{ saleId, number: 1, code: expect.stringMatching(/^[0-9A-Z]{20}$/), repeated: false },
      ...{ opensAt: null, closesAt: null, durability: "durable" },
    });
    const again = await grab(saleId, one.token);
    expect([again.status, again.body]).toEqual([200, { ...first.body, repeated: true }]);
    const second = await grab(saleId, other.token);
    expect([second.status, second.body.number]).toEqual([201, 2]);
    expect(second.body.code).not.toBe(first.body.code);
  });

  test("becomes a coupon with the code of the answer", async () => {
    const saleId = await newSale(past, 1);
    const { id, token } = await mintCustomer();
    const { body } = await grab(saleId, token);
    const row = await until("the coupon", async () => {
      const [found] = await past.db.select().from(coupons).where(eq(coupons.saleId, saleId));
      return found;
    });
    expect(row).toMatchObject({ code: body.code, userId: id, grantNo: 1, state: "unused" });
  });

  test("of one who has won is answered the same when the sale is sold out", async () => {
    const saleId = await newSale(past, 1);
    const [winner, loser] = [await mintCustomer(), await mintCustomer()];
    const won = await grab(saleId, winner.token);
    for (let round = 0; round < 3; round += 1) {
      const lost = await grab(saleId, loser.token);
      expect([lost.status, lost.body.code]).toEqual([409, "sold_out"]);
      const again = await grab(saleId, winner.token);
      expect([again.status, again.body.number]).toEqual([200, won.body.number]);
    }
  });

  test("of several needs a key each: the key repeats it, another key is another grab, up to the limit", async () => {
    const saleId = await newSale(past, 10, { userLimit: 2 });
    const { token } = await mintCustomer();
    const without = await grab(saleId, token);
    expect([without.status, without.body.code]).toEqual([422, "key_required"]);
    const [a, b] = [await grab(saleId, token, "a"), await grab(saleId, token, "b")];
    expect([a.status, b.status]).toEqual([201, 201]);
    expect((await grab(saleId, token, "a")).body).toEqual({ ...a.body, repeated: true });
    const third = await grab(saleId, token, "c");
    expect([third.status, third.body.code, third.body.limit]).toEqual([409, "limit_reached", 2]);
    expect((await mine(saleId, token)).body).toMatchObject({
      userLimit: 2,
      grabs: [{ number: a.body.number }, { number: b.body.number }],
    });
  });

  test("whose refusal came first is not held to it", async () => {
    const saleId = await newSale(past, 1, { userLimit: 2, state: "paused" });
    const { token } = await mintCustomer();
    expect((await grab(saleId, token, "k")).body.code).toBe("paused");
    await past.redis.hset(saleKeys(saleId).sale, "state", "open");
    expect((await grab(saleId, token, "k")).status).toBe(201);
  });
});

describe("a grab is refused", () => {
  test("before the sale opens, with the time it does and the time it is", async () => {
    const opensAt = new Date(Date.now() + HOUR_MS);
    const saleId = await newSale(past, 1, { opensAt });
    const { status, body } = await grab(saleId, (await mintCustomer()).token);
    expect([status, body.code, body.opensAt]).toEqual([409, "not_started", opensAt.toISOString()]);
    expect(Math.abs(Date.parse(body.serverTime) - Date.now())).toBeLessThan(60_000);
    // Both are Redis's, which decides: nothing that another part believes changes them.
    const later = opensAt.getTime() + HOUR_MS;
    await past.redis.hset(saleKeys(saleId).sale, "opens", later);
    const again = await grab(saleId, (await mintCustomer()).token);
    expect(again.body.opensAt).toBe(new Date(later).toISOString());
  });

  test("with a field or a parameter that it does not have, and never for an empty body", async () => {
    const saleId = await newSale(past, 3);
    const path = `POST /v1/sales/${saleId}/grab`;
    const { token } = await mintCustomer();
    const field = await v1(api.url, path, { token, body: { units: 2 } });
    expect([field.status, field.body.errors[0].pointer]).toEqual([422, "/units"]);
    const parameter = await v1(api.url, `${path}?units=2`, { token });
    expect([parameter.status, parameter.body.errors[0].parameter]).toEqual([422, "units"]);
    expect((await v1(api.url, path, { token, body: "{" })).status).toBe(400);
    expect((await v1(api.url, path, { body: {} })).status).toBe(401);
    expect((await v1(api.url, path, { token, body: {} })).status).toBe(201);
    expect((await v1(api.url, path, { token, body: "" })).status).toBe(200);
  });

  test("after it has ended, and while it is paused", async () => {
    const ended = await newSale(past, 1, { closesAt: new Date(Date.now() - HOUR_MS) });
    const paused = await newSale(past, 1, { state: "paused" });
    const { token } = await mintCustomer();
    expect((await grab(ended, token)).status).toBe(410);
    const answer = await grab(paused, token);
    expect([answer.status, answer.body.code]).toEqual([409, "paused"]);
    // A refusal costs as much of the user's rate as a grab that wins, and says so.
    expect(answer.headers.get("ratelimit-remaining")).not.toBeNull();
  });

  test("when it comes too fast for this sale, and the headers say how fast is not", async () => {
    const saleId = await newSale(past, 1, { grabsPerSecond: 1 });
    const other = await newSale(past, 1);
    const { token } = await mintCustomer();
    const first = await grab(saleId, token);
    expect(first.headers.get("ratelimit-limit")).toBe(String(limits.grabsBurstSeconds));
    const left = Number(first.headers.get("ratelimit-remaining"));
    expect(left).toBe(limits.grabsBurstSeconds - 1);
    expect(first.headers.get("ratelimit-reset")).toBe("1");
    for (let round = 0; round < left; round += 1) await grab(saleId, token);
    const refused = await grab(saleId, token);
    expect([refused.status, refused.body.code]).toEqual([429, "too_fast"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.headers.get("ratelimit-reset")).toBe(String(limits.grabsBurstSeconds));
    expect((await grab(other, token)).status).toBe(201);
  });

  test("when it comes too fast for this sale by the classic route, which takes from the same tokens", async () => {
    const seller = await newUser(api.url, "seller");
    const token = seller.token.replace(/^Bearer /i, "");
    const { id } = (await v1(api.url, "GET /v1/me", { token })).body;
    const name = freshName("slow");
    const saleId = await makeSale(api.url, { id, token }, { name, grabsPerSecond: 1 });
    const customer = await mintCustomer();
    const coupon = { name, path: `/api/users/${seller.username}/coupons/${name}` };
    const classic = () => grabClassic(api.url, coupon, customer.token);
    expect(await classic()).toBe("won");
    for (let round = 2; round < limits.grabsBurstSeconds; round += 1)
      expect(await classic()).toBe("repeated");
    expect((await grab(saleId, customer.token)).headers.get("ratelimit-remaining")).toBe("0");
    expect(await classic()).toBe("429");
    expect((await grab(saleId, customer.token)).status).toBe(429);
  });

  test("when one asks for sale after sale that there is not, before that costs anything", async () => {
    const saleId = await newSale(past, 2);
    const [{ token }, other] = [await mintCustomer(), await mintCustomer()];
    expect((await grab(saleId, other.token)).status).toBe(201);
    const ids = Array.from({ length: 4 * burstOf(limits.grabsPerSecond) }, (_, n) => 10 ** 9 + n);
    const answers = await Promise.all(ids.map((id) => grab(id, token)));
    const refused = answers.findIndex(({ status }) => status === 429);
    expect(answers[refused]?.body.code).toBe("too_fast");
    expect(Number(answers[refused]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await past.redis.exists(cacheKeys.entry("sale", ids[refused] ?? 0))).toBe(0);
    expect(answers.filter(({ status }) => status === 404).length).toBeGreaterThanOrEqual(
      burstOf(limits.grabsPerSecond),
    );
    expect((await grab(saleId, token)).status).toBe(201);
  });

  test("never for sales that there are, however many of them nobody has asked for yet", async () => {
    const { token } = await mintCustomer();
    const count = 2 * burstOf(limits.grabsPerSecond);
    const ids = await Promise.all(Array.from({ length: count }, () => newSale(past, 1)));
    for (const id of ids) expect([id, (await grab(id, token)).status]).toEqual([id, 201]);
  });

  test("to sellers, to nobody, and at sales that do not exist", async () => {
    const saleId = await newSale(past, 1);
    const seller = await newUser(api.url, "seller");
    const { token } = await mintCustomer();
    expect((await grab(saleId, seller.token)).status).toBe(403);
    expect((await grab(saleId)).status).toBe(401);
    for (const id of ["0", "-1", "1.5", "x", "999999999", "9".repeat(30), "%00"])
      expect([id, (await grab(id, token)).status]).toEqual([id, 404]);
  });
});

test("what one has of a sale is known at once, and recorded soon", async () => {
  const saleId = await newSale(past, 3);
  const { token } = await mintCustomer();
  expect((await mine(saleId, token)).body.grabs).toEqual([]);
  const { body } = await grab(saleId, token);
  const { grabs } = (await mine(saleId, token)).body;
  expect(grabs).toMatchObject([{ number: body.number, code: body.code }]);
  await until("the row", async () => (await mine(saleId, token)).body.grabs[0].recorded === true);
});

test("what one has and MySQL refused for good is never called recorded", async () => {
  const saleId = await newSale(past, 3);
  const { token, id } = await mintCustomer();
  await grab(saleId, token);
  const recorded = async () => (await mine(saleId, token)).body.grabs[0].recorded;
  await until("the row", recorded);
  // As a dead letter leaves it: the ledger is read beyond the number, and there is no row.
  await past.db.delete(grants).where(and(eq(grants.saleId, saleId), eq(grants.userId, id)));
  expect(await recorded()).toBe(false);
});

test("what one has and Redis has forgotten is told from MySQL", async () => {
  const saleId = await newSale(past, 3, { userLimit: 3 });
  const { token, id } = await mintCustomer();
  await grab(saleId, token, "a");
  await until("the row", async () => (await mine(saleId, token)).body.grabs[0].recorded);
  // An older Redis: the second grant alone.
  const { winners } = saleKeys(saleId);
  await past.redis.hset(winners, id, ",2:b");
  const { body } = await mine(saleId, token);
  expect(body.grabs).toMatchObject([
    { number: 1, recorded: true },
    { number: 2, recorded: false },
  ]);
  await past.redis.hdel(winners, String(id));
  expect((await mine(saleId, token)).body.grabs).toMatchObject([{ number: 1, recorded: true }]);
});

test("what one has is not told while it may not be all: Redis is away, or has lost the sale", async () => {
  const saleId = await newSale(past, 3);
  const { token } = await mintCustomer();
  await grab(saleId, token);
  await past.redis.rename(saleKeys(saleId).sale, "away");
  const lost = await mine(saleId, token);
  await past.redis.rename("away", saleKeys(saleId).sale);
  expect([lost.status, lost.headers.get("retry-after")]).toEqual([503, "1"]);
  redis.proxy.cut();
  expect((await mine(saleId, token)).status).toBe(503);
  redis.proxy.heal();
  await until("it to be told", async () => (await mine(saleId, token)).body.grabs?.length === 1);
});

test("what one has is not told by a Redis that has lost it, before anybody has noticed that either", async () => {
  const saleId = await newSale(past, 2);
  const { id, token } = await mintCustomer();
  await past.db.transaction(async (tx) => {
    // Nothing is recorded of the sale meanwhile.
    await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
    expect((await grab(saleId, token)).status).toBe(201);
    const lost = past.redis.multi().hdel(saleKeys(saleId).winners, String(id));
    await lost.script("FLUSH").exec();
    expect((await mine(saleId, token)).status).toBe(503);
  });
  const told = await until("to be told again", async () => {
    const { status, body } = await mine(saleId, token);
    return status === 200 ? body.grabs : undefined;
  });
  expect(told).toHaveLength(1);
});

test("a grab while Redis is away is 503 with Retry-After, and its repetition wins", async () => {
  const saleId = await newSale(past, 1);
  const { token } = await mintCustomer();
  redis.proxy.cut();
  const { status, body, headers } = await grab(saleId, token);
  expect([status, body.code, headers.get("retry-after")]).toEqual([503, "unavailable", "1"]);
  redis.proxy.heal();
  await until("a grant", async () => (await grab(saleId, token)).status === 201);
});

test("500 simultaneous grabs of one user have one winner, and all know the same number", async () => {
  const saleId = await newSale(past, 500, { grabsPerSecond: 1_000 });
  const { token } = await mintCustomer();
  const answers = await Promise.all(Array.from({ length: 500 }, () => grab(saleId, token)));
  const counts = Map.groupBy(answers, ({ status }) => status);
  expect([counts.get(201)?.length, counts.get(200)?.length]).toEqual([1, 499]);
  expect(new Set(answers.map(({ body }) => body.code)).size).toBe(1);
});
