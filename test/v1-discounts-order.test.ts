// Discounts for an order that has coupons locked already: they are its own to use.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  letExpire,
  makeCoupon,
  makeCoupons,
  makeTemplate,
  type TestCoupon,
} from "./harness/coupons.ts";
import { mintCustomer } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
});
afterAll(stopEverything);

const AMOUNT = { faceValue: 1_000 };
const ORDER = {
  items: [{ goods: "1", category: "7", quantity: 2, unitPrice: 5_500 }],
  ...{ shippingFee: 800, currency: "CNY" },
};

const calculate = (token: string, body: object) =>
  v1(api.url, "POST /v1/discounts/calculate", { token, body: { ...ORDER, ...body } });
const available = (token: string, body: object) =>
  v1(api.url, "POST /v1/coupons/available", { token, body: { ...ORDER, ...body } });
const post = (token: string, path: string, body: object) =>
  v1(api.url, `POST /v1/coupons/${path}`, { token, body });

test("coupons that the order has locked are usable, and do not count against limit and budget", async () => {
  const user = await mintCustomer();
  const templateId = await makeTemplate(past.db, { ...AMOUNT, userLimit: 1, budget: 1_000 });
  const [mine] = await makeCoupons(past.db, templateId, 1, { userId: user.id });
  const code = mine?.code ?? "";
  const orderSn = "order-5";
  expect((await post(user.token, `${code}/lock`, { orderSn })).status).toBe(200);
  const words = async (order: object) => [
    (await calculate(user.token, { codes: [code], ...order })).body.coupons[0],
    (await available(user.token, order)).body.coupons[0],
  ];
  for (const order of [{}, { orderSn: "order-6" }]) {
    expect(await words(order)).toMatchObject([
      { applied: false, reason: { code: "locked" } },
      { applies: false, reason: { code: "locked" } },
    ]);
  }
  expect(await words({ orderSn })).toMatchObject([
    { applied: true, discount: 1_000 },
    { applies: true, discount: 1_000 },
  ]);
  const best = (await available(user.token, { orderSn })).body.best;
  expect(best).toMatchObject({ codes: [code], discount: 1_000 });
  await letExpire(past.db, mine as TestCoupon);
  expect(await words({ orderSn })).toMatchObject([{ applied: true }, { applies: true }]);
  const amounts = { original: 11_800, discount: 1_000, currency: "CNY" };
  expect((await post(user.token, `${code}/use`, { orderSn, amounts })).status).toBe(200);
});

test("coupons that the order has locked leave others no more than the room beside them", async () => {
  const user = await mintCustomer();
  const templateId = await makeTemplate(past.db, { ...AMOUNT, userLimit: 1 });
  const [sooner, locked] = await Promise.all(
    [60_000, 90_000].map((expiresInMs) =>
      makeCoupon(past.db, templateId, { userId: user.id, expiresInMs }),
    ),
  );
  const [other = "", own = ""] = [sooner?.code, locked?.code];
  const orderSn = "order-7";
  const lock = (code: string) => post(user.token, `${code}/lock`, { orderSn });
  expect((await lock(own)).status).toBe(200);
  const full = { reason: { code: "user_limit_reached" } };

  const shown = (await available(user.token, { orderSn })).body;
  expect(shown.coupons).toMatchObject([
    { code: other, applies: false, ...full },
    { code: own, applies: true, discount: 1_000 },
  ]);
  expect(shown.best).toMatchObject({ codes: [own], discount: 1_000 });
  expect((await lock(other)).status).toBe(409);

  const alone = async (...codes: string[]) =>
    (await calculate(user.token, { codes, orderSn })).body.coupons;
  expect(await alone(own)).toMatchObject([{ code: own, applied: true }]);
  expect(await alone(other)).toMatchObject([{ code: other, applied: false, ...full }]);
  expect(await alone(own, other)).toMatchObject([
    { code: own, applied: true },
    { code: other, applied: false, ...full },
  ]);
});

test("coupons that the order has besides are not counted until it takes others; it unlocks them first", async () => {
  const user = await mintCustomer();
  const [own = "", better = ""] = await Promise.all(
    [{ ...AMOUNT, stacking: "exclusive" }, { faceValue: 2_000 }].map(async (fields) => {
      const templateId = await makeTemplate(past.db, fields);
      return (await makeCoupon(past.db, templateId, { userId: user.id })).code;
    }),
  );
  const order = { orderSn: "order-8" };
  expect((await post(user.token, `${own}/lock`, order)).status).toBe(200);
  expect((await available(user.token, order)).body.best).toMatchObject({ codes: [better] });
  const calculated = await calculate(user.token, { codes: [better], ...order });
  expect(calculated.body).toMatchObject({ discount: 2_000 });
  const refused = await post(user.token, `${better}/lock`, order);
  expect([refused.status, refused.body.code]).toEqual([422, "coupons_not_combinable"]);
  expect((await post(user.token, `${own}/unlock`, order)).status).toBe(200);
  expect((await post(user.token, `${better}/lock`, order)).status).toBe(200);
});

test("a lock that is over by the instant asked about counts no more against limit and budget", async () => {
  const user = await mintCustomer();
  const later = new Date(Date.now() + 600_000).toISOString();
  for (const [bound, reason] of [
    [{ userLimit: 1 }, "user_limit_reached"],
    [{ budget: 1_000 }, "locked"],
  ] as const) {
    const templateId = await makeTemplate(past.db, { ...AMOUNT, ...bound });
    const two = await makeCoupons(past.db, templateId, 2, { userId: user.id });
    const [locked = "", other = ""] = two.map(({ code }) => code);
    const lock = { orderSn: "order-9", ttlSeconds: 300 };
    expect((await post(user.token, `${locked}/lock`, lock)).status).toBe(200);
    const codes = ["userLimit" in bound ? other : locked];
    const asked = async (asOf: object) =>
      (await calculate(user.token, { codes, ...asOf })).body.coupons;
    expect(await asked({})).toMatchObject([{ applied: false, reason: { code: reason } }]);
    expect(await asked({ asOf: later })).toMatchObject([{ applied: true, discount: 1_000 }]);
  }
});

test("what a used coupon has spent of the budget is no room for another one", async () => {
  const user = await mintCustomer();
  const templateId = await makeTemplate(past.db, { ...AMOUNT, budget: 1_000 });
  const two = await makeCoupons(past.db, templateId, 2, { userId: user.id });
  const [used = "", other = ""] = two.map(({ code }) => code);
  const amounts = { original: 11_800, discount: 1_000, currency: "CNY" };
  const use = { orderSn: "order-10", amounts };
  expect((await post(user.token, `${used}/use`, use)).status).toBe(200);
  const { body } = await calculate(user.token, { codes: [used, other] });
  expect(body.coupons).toMatchObject([
    { code: used, applied: false, reason: { code: "used" } },
    { code: other, applied: false, reason: { code: "budget_exhausted" } },
  ]);
});
