// Before it opens a sale gets another name and another template: every process and both APIs show it, and a coupon is
// never of another template than the sale that it was won in.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { coupons } from "../src/coupons/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { createChanges } from "../src/sales/change/changes.ts";
import { createFlashSales, type FlashSales } from "../src/sales/flash.ts";
import { newsThrough } from "../src/sales/news.ts";
import { sales } from "../src/sales/table.ts";
import { startApi } from "./harness/api.ts";
import { freshName, grab, list, mintCustomer, newUser, type TestUser } from "./harness/http.ts";
import { inMs, makeSale, newTemplate, type Someone } from "./harness/sellers.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

const HOUR = 3_600_000;

let urls: [string, string];
let past: Behind;
let user: TestUser;
let seller: Someone;
/** Changes sales as the service does, past it. */
let flash: FlashSales;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url, RATE_LIMITS: "off" };
  const [one, two] = await Promise.all([startApi(settings), startApi(settings)]);
  urls = [one.url, two.url];
  past = await behind(settings);
  user = await newUser(one.url, "saler");
  const token = user.token.replace(/^Bearer /i, "");
  seller = { id: (await v1(one.url, "GET /v1/me", { token })).body.id, token };
  flash = flashOn(past.redis);
});
afterAll(stopEverything);

const flashOn = (redis: Behind["redis"]): FlashSales =>
  createFlashSales({
    db: past.db,
    changes: createChanges({
      db: past.db,
      redis,
      news: newsThrough(past.redis),
      onUnfit: () => undefined,
    }),
    warmer: { warm: () => Promise.resolve("later") },
    codes: { current: "" },
    news: { relisted: () => Promise.resolve() },
  });

const template = (fields: object = {}) => newTemplate(urls[0], seller, fields);
const sale = (fields: object = {}) => makeSale(urls[0], seller, { opensAt: inMs(HOUR), ...fields });
const patch = (id: number, body: object) =>
  v1(urls[0], `PATCH /v1/sales/${id}`, { token: seller.token, body });
const asker = () => ({ owner: seller.id, name: `user:${seller.id}`, requestKey: null });
const pathOf = (name: string) => ({ name, path: `/api/users/${user.username}/coupons/${name}` });

test("every process and both APIs show its new name and template at once", async () => {
  const [old, name] = [freshName("old"), freshName("new")];
  const id = await sale({ name: old });
  const { token } = await mintCustomer();
  for (const url of urls) {
    expect(await grab(url, pathOf(old), token)).toBe("not_started");
    expect(await grab(url, pathOf(name), token)).toBe("not_found");
    await v1(url, `GET /v1/sales/${id}`);
    await list(url, user.username, user.token);
  }
  const templateId = await template({ faceValue: 700 });
  const changed = await patch(id, { name, templateId });
  expect([changed.status, changed.body]).toMatchObject([200, { name, templateId }]);
  expect(changed.body.state).toBe("upcoming");
  for (const url of urls) {
    expect(await grab(url, pathOf(name), token)).toBe("not_started");
    expect(await grab(url, pathOf(old), token)).toBe("not_found");
    expect((await v1(url, `GET /v1/sales/${id}`)).body).toMatchObject({ name, templateId });
    const lines = await list(url, user.username, user.token);
    expect(lines.map((line) => [line.name, line.stock])).toContainEqual([name, 700]);
    expect(lines.map((line) => line.name)).not.toContain(old);
  }
  // The old name is free.
  expect(await sale({ name: old })).toBeGreaterThan(id);
});

test("who wins has a coupon of the template that the sale has got", async () => {
  const id = await sale();
  const templateId = await template();
  expect((await patch(id, { templateId, opensAt: null })).status).toBe(200);
  const { token } = await mintCustomer();
  const won = await v1(urls[1], `POST /v1/sales/${id}/grab`, { token });
  expect(won.status).toBe(201);
  const row = await until("its coupon", async () => {
    const [found] = await past.db.select().from(coupons).where(eq(coupons.saleId, id));
    return found;
  });
  expect([row.templateId, row.code]).toEqual([templateId, won.body.code]);
});

test("a sale that is paused gets it and stays paused", async () => {
  const id = await sale();
  await v1(urls[0], `POST /v1/sales/${id}/pause`, { token: seller.token });
  const changed = await patch(id, { templateId: await template() });
  expect([changed.status, changed.body.state]).toEqual([200, "paused"]);
  expect(await past.redis.hget(saleKeys(id).sale, "state")).toBe("paused");
});

test("a name that another sale has, and a template that cannot be sold, are refused, and all stays", async () => {
  const taken = freshName("taken");
  await sale({ name: taken });
  const id = await sale();
  const [before] = await past.db.select().from(sales).where(eq(sales.id, id));
  const refused = async (body: object) => {
    const { status, body: problem } = await patch(id, body);
    return [status, problem.code, problem.left ?? problem.errors?.[0]?.pointer];
  };
  const draft = await newTemplate(urls[0], seller, {}, { published: false });
  const others = await newUser(urls[0], "saler");
  const strangers = { id: 0, token: others.token.replace(/^Bearer /i, "") };
  const small = await template({ totalCount: 9 });
  expect(await refused({ name: taken, total: 20 })).toEqual([409, "name_taken", undefined]);
  expect(await refused({ templateId: draft })).toEqual([409, "template_not_published", undefined]);
  expect(await refused({ templateId: await newTemplate(urls[0], strangers) })).toEqual([
    ...[422, "validation", "/templateId"],
  ]);
  expect(await refused({ templateId: small })).toEqual([409, "template_count_exceeded", 9]);
  expect(await refused({ name: "a/b\u0000" })).toMatchObject([422, "validation", "/name"]);
  expect((await past.db.select().from(sales).where(eq(sales.id, id)))[0]).toEqual(before);
  expect((await patch(id, { templateId: small, total: 9 })).status).toBe(200);
});

test("the units of a sale that is on its way to a template count there, and are free where it was", async () => {
  const [from, to] = [await template({ totalCount: 10 }), await template({ totalCount: 12 })];
  const make = (templateId: number, total: number) =>
    v1(urls[0], "POST /v1/sales", {
      token: seller.token,
      body: { templateId, name: freshName("sale"), total, opensAt: inMs(HOUR) },
    });
  const id = (await make(from, 10)).body.id;
  const at = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const slow = {
    async evalsha(...call: Parameters<Behind["redis"]["evalsha"]>) {
      at.resolve();
      await go.promise;
      return past.redis.evalsha(...call);
    },
  } as unknown as Behind["redis"];
  const moved = flashOn(slow).patch(asker(), id, { templateId: to });
  await at.promise;
  const beyond = await make(to, 3);
  expect([beyond.body.code, beyond.body.left]).toEqual(["template_count_exceeded", 2]);
  go.resolve();
  expect(await moved).toMatchObject({ kind: "done", sale: { templateId: to, state: "open" } });
  expect((await make(to, 3)).body.left).toBe(2);
  expect((await make(to, 2)).status).toBe(201);
  expect((await make(from, 10)).status).toBe(201);
});

test("of sales that move to a template with room for one of them, at once, one gets there", async () => {
  const to = await template({ totalCount: 15 });
  const ids = [await sale(), await sale(), await sale()];
  const outcomes = await Promise.all(ids.map((id) => flash.patch(asker(), id, { templateId: to })));
  expect(outcomes.filter(({ kind }) => kind === "done")).toHaveLength(1);
  expect(outcomes.filter(({ kind }) => kind === "count_exceeded")).toHaveLength(2);
});
