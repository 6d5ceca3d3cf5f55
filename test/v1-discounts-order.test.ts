// Discounts for an order that has coupons locked already: they are its own to use.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import { letExpire, makeCoupons, makeTemplate, type TestCoupon } from "./harness/coupons.ts";
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
  const held = await makeCoupons(past.db, templateId, 2, { userId: user.id });
  const codes = held.map(({ code }) => code).sort();
  const orderSn = "order-7";
  await post(user.token, `${codes[0]}/lock`, { orderSn });
  const both = await calculate(user.token, { codes, orderSn });
  expect([both.status, both.body.violations?.[0].rule]).toEqual([422, "template_limit"]);
  const other = await calculate(user.token, { codes: [codes[1]], orderSn });
  expect(other.body.coupons[0].reason.code).toBe("user_limit_reached");
  const own = await calculate(user.token, { codes: [codes[0]], orderSn });
  expect(own.body.coupons[0].applied).toBe(true);
});
