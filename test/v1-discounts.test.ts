// Discounts over HTTP: works, refuses, is safe. What is computed is tested in src/discounts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { createServiceKey } from "../src/auth/keys.ts";
import { coupons } from "../src/coupons/table.ts";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { letLockRunOut, makeCoupon, makeCoupons, makeTemplate } from "./harness/coupons.ts";
import { mintCustomer } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;
let service: string;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
  const made = await createServiceKey(past.db, "checkout");
  service = typeof made === "string" ? made : made.key;
});
afterAll(stopEverything);

type Terms = NonNullable<Parameters<typeof makeTemplate>[1]>;

/** Somebody with one coupon of each of these templates. */
async function holderOf(...templates: Terms[]) {
  const user = await mintCustomer();
  const held = [];
  for (const terms of templates) {
    const templateId = await makeTemplate(past.db, terms);
    held.push(await makeCoupon(past.db, templateId, { userId: user.id }));
  }
  return { user, held, codes: held.map(({ code }) => code) };
}

const ORDER = {
  items: [
    { goods: "1", category: "7", quantity: 2, unitPrice: 3_000 },
    { goods: "2", category: "8", quantity: 1, unitPrice: 5_000 },
  ],
  shippingFee: 800,
  currency: "CNY",
};
const AMOUNT: Terms = { faceValue: 1_000 };
const PERCENT: Terms = { type: "percent_off", faceValue: 0, basisPoints: 2_000 };
const SHIPPING: Terms = { type: "free_shipping", faceValue: 0, discountMax: 500 };

const calculate = (token: string | undefined, body: object) =>
  v1(api.url, "POST /v1/discounts/calculate", { token, body: { ...ORDER, ...body } });
const available = (token: string | undefined, body: object = {}) =>
  v1(api.url, "POST /v1/coupons/available", { token, body: { ...ORDER, ...body } });

describe("discounts", () => {
  test("are calculated for one's own coupons, by coupon and by item", async () => {
    const { user, codes } = await holderOf(AMOUNT, PERCENT, SHIPPING);
    const [a = "", b = "", c = ""] = codes;
    const answer = await calculate(user.token, { codes });
    const shares = (amount: number, percent: number) => [
      { code: a, discount: amount },
      { code: b, discount: percent },
    ];
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        ...{ currency: "CNY", original: 11_800, discount: 3_500, shippingDiscount: 500 },
        ...{ final: 8_300, asOf: expect.stringMatching(/T.*\.\d{3}Z$/) },
        coupons: [
          { code: a, applied: true, discount: 1_000 },
          { code: b, applied: true, discount: 2_000 },
          { code: c, applied: true, discount: 500 },
        ],
        items: [
          {
            ...{ ...ORDER.items[0], original: 6_000, discount: 1_636, final: 4_364 },
            shares: shares(545, 1_091),
          },
          {
            ...{ ...ORDER.items[1], original: 5_000, discount: 1_364, final: 3_636 },
            shares: shares(455, 909),
          },
        ],
      },
    ]);
    const turned = await calculate(user.token, { codes: codes.toReversed() });
    expect({ ...turned.body, asOf: answer.body.asOf }).toEqual(answer.body);
  });

  test("a coupon whose template was disabled since is worth what it was", async () => {
    const { user, codes } = await holderOf({ ...AMOUNT, state: "disabled" });
    const { body } = await calculate(user.token, { codes });
    expect(body.coupons).toMatchObject([{ applied: true, discount: 1_000 }]);
  });

  test("say of each coupon that does not apply why, and what would make it apply", async () => {
    const { user, codes } = await holderOf(
      { ...AMOUNT, minimumSpend: 6_320, categories: ["7"] },
      { ...AMOUNT, currency: "USD" },
    );
    const { body } = await calculate(user.token, { codes: [...codes, "NX0000000000000000QQ"] });
    const reasons = body.coupons.map(({ reason }: { reason: object }) => reason);
    expect(body.discount).toBe(0);
    expect(reasons).toMatchObject([
      {
        ...{ code: "spend_more", amount: 320, currency: "CNY", categories: ["7"] },
        detail: "Spend 3.20 CNY more on category 7.",
      },
      { code: "other_currency", currency: "USD" },
      { code: "unknown_coupon" },
    ]);
  });

  test("can be asked for another instant", async () => {
    const user = await mintCustomer();
    const templateId = await makeTemplate(past.db);
    const expiresInMs = 60_000;
    const { code } = await makeCoupon(past.db, templateId, { userId: user.id, expiresInMs });
    const ask = async (asOf?: string) => {
      const { body } = await calculate(user.token, { codes: [code], ...(asOf && { asOf }) });
      return [body.coupons[0].applied, body.coupons[0].reason?.code];
    };
    expect(await ask()).toEqual([true, undefined]);
    expect(await ask("2199-01-01T08:00:00+08:00")).toEqual([false, "expired"]);
  });

  test("show what one has and the best combination, whoever of owner and service asks", async () => {
    const { user, codes } = await holderOf(
      AMOUNT,
      { ...PERCENT, stacking: "exclusive" },
      { ...AMOUNT, faceValue: 1_500 },
      { ...AMOUNT, minimumSpend: 99_000 },
    );
    const [a, b, c, d] = codes;
    const { status, body } = await available(user.token);
    const offers = body.coupons.map(
      ({ code, applies, discount, reason }: Record<string, { code?: string }>) => [
        code,
        applies,
        discount ?? reason?.code,
      ],
    );
    expect([status, offers]).toEqual([
      200,
      [
        [a, true, 1_000],
        [b, true, 2_200],
        [c, true, 1_500],
        [d, false, "spend_more"],
      ],
    ]);
    expect(body).toMatchObject({
      hasMore: false,
      best: { codes: [a, c], exact: true, discount: 2_500 },
    });
    const asked = await available(service, { userId: user.id });
    expect({ ...asked.body, asOf: body.asOf }).toEqual(body);
  });

  test("leave out what is used or over, and know a lock and its end", async () => {
    const { user, held } = await holderOf(AMOUNT, AMOUNT, AMOUNT);
    const [used, locked, free] = held;
    if (!used || !locked || !free) throw new Error("there are three");
    const act = (code: string, action: string, body: object) =>
      v1(api.url, `POST /v1/coupons/${code}/${action}`, { token: user.token, body });
    const amounts = { original: 11_800, discount: 1_000, currency: "CNY" };
    expect((await act(used.code, "use", { orderSn: "o-1", amounts })).status).toBe(200);
    expect((await act(locked.code, "lock", { orderSn: "o-2", ttlSeconds: 900 })).status).toBe(200);
    const words = async () =>
      (await available(user.token)).body.coupons.map(
        ({ code, reason }: { code: string; reason?: { code: string } }) => [code, reason?.code],
      );
    expect(await words()).toEqual([
      [locked.code, "locked"],
      [free.code, undefined],
    ]);
    await letLockRunOut(past.db, locked);
    expect(await words()).toEqual([
      [locked.code, undefined],
      [free.code, undefined],
    ]);
  });

  test("promise no coupon that the limit of its template would refuse", async () => {
    const user = await mintCustomer();
    const templateId = await makeTemplate(past.db, { ...AMOUNT, userLimit: 1 });
    const held = await makeCoupons(past.db, templateId, 2, { userId: user.id });
    const codes = held.map(({ code }) => code).sort();
    const both = await calculate(user.token, { codes });
    expect([both.status, both.body.violations]).toMatchObject([
      422,
      [{ rule: "template_limit", codes }],
    ]);
    const [first = "", second = ""] = codes;
    const body = { orderSn: "o-3", ttlSeconds: 900 };
    await v1(api.url, `POST /v1/coupons/${first}/lock`, { token: user.token, body });
    const one = await calculate(user.token, { codes: [second] });
    expect(one.body.coupons[0].reason.code).toBe("user_limit_reached");
    const refused = await v1(api.url, `POST /v1/coupons/${second}/lock`, {
      ...{ token: user.token, body: { ...body, orderSn: "o-4" } },
    });
    expect([refused.status, refused.body.code]).toEqual([409, "template_limit_reached"]);
  });
});

describe("discounts are refused", () => {
  test("for coupons that cannot be used together, with each rule and its coupons", async () => {
    const { user, codes } = await holderOf(PERCENT, AMOUNT, PERCENT);
    const { status, body } = await calculate(user.token, { codes });
    const [a, , c] = codes;
    const detail = "Only one percentage can be taken off.";
    expect([status, body]).toMatchObject([
      422,
      {
        ...{ type: "/problems/coupons-not-combinable", code: "coupons_not_combinable", detail },
        violations: [{ rule: "one_percent", codes: [a, c], detail }],
        errors: [
          { pointer: "/codes/0", detail },
          { pointer: "/codes/2", detail },
        ],
      },
    ]);
  });

  const item = ORDER.items[0];
  const code = "NX0000000000000000QQ";
  test.each<[string, object, string]>([
    ["without items", { items: [] }, "/items"],
    ["of too many items", { items: Array(limits.orderItemsMax + 1).fill(item) }, "/items"],
    ["of nothing", { items: [{ ...item, quantity: 0 }] }, "/items/0/quantity"],
    ["of a negative price", { items: [{ ...item, unitPrice: -1 }] }, "/items/0/unitPrice"],
    ["in parts of a cent", { items: [{ ...item, unitPrice: 0.5 }] }, "/items/0/unitPrice"],
    ["without a category", { items: [{ ...item, category: "" }] }, "/items/0/category"],
    [
      "beyond the largest amount",
      { items: [{ ...item, quantity: 3, unitPrice: 50_000_000_000 }] },
      "/items",
    ],
    ["in no currency", { currency: "cny" }, "/currency"],
    ["with a field that there is not", { coupons: [] }, "/coupons"],
    ["with one coupon twice", { codes: [code, code.toLowerCase()] }, "/codes"],
    ["with no code", { codes: ["?"] }, "/codes/0"],
    ["as of no instant", { codes: [], asOf: "yesterday" }, "/asOf"],
  ])("for an order %s", async (_, body, pointer) => {
    const { token } = await mintCustomer();
    const answer = await calculate(token, { codes: [], ...body });
    expect([answer.status, answer.body.code]).toEqual([422, "validation"]);
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(
      pointer,
    );
  });

  test("to whoever is not signed in, names somebody else, or nobody as a service", async () => {
    const { token, id } = await mintCustomer();
    for (const [asked, status] of [
      [await calculate(undefined, { codes: [] }), 401],
      [await calculate(token, { codes: [], userId: id + 1 }), 403],
      [await calculate(service, { codes: [] }), 422],
      [await available(undefined), 401],
      [await available(token, { userId: id + 1 }), 403],
      [await available(service), 422],
    ] as const) {
      expect(asked.status).toBe(status);
    }
  });
});

describe("discounts are safe:", () => {
  test("somebody else's coupon looks like one that is not there", async () => {
    const { codes } = await holderOf(AMOUNT);
    const { token } = await mintCustomer();
    const [theirs, none] = await Promise.all([
      calculate(token, { codes }),
      calculate(token, { codes: ["NX0000000000000000QQ"] }),
    ]);
    const { code: _, ...said } = theirs.body.coupons[0];
    const { code: __, ...expected } = none.body.coupons[0];
    expect([theirs.status, said]).toEqual([none.status, expected]);
  });

  test("nothing is changed by asking", async () => {
    const { user, codes } = await holderOf(AMOUNT, SHIPPING);
    const rows = () => past.db.select().from(coupons).where(eq(coupons.userId, user.id));
    const before = await rows();
    expect((await calculate(user.token, { codes })).status).toBe(200);
    expect((await available(user.token)).status).toBe(200);
    expect(await rows()).toEqual(before);
  });
});
