// The wallet of /v1 over HTTP: works, refuses, is safe.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServiceKey } from "../src/auth/keys.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  freshOrder,
  historyOf,
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
import { AMOUNTS, said, walletsOf } from "./harness/wallets.ts";

let api: TestApi;
let past: Behind;
let service: string;
let templateId: number;
/** Of another template, without a minimum: several of these go on one order. */
let free: number;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
  const made = await createServiceKey(past.db, "checkout");
  service = typeof made === "string" ? made : made.key;
  templateId = await makeTemplate(past.db, { minimumSpend: 1_000 });
  free = await makeTemplate(past.db);
});
afterAll(stopEverything);

const { owned, post, list } = walletsOf(() => ({ url: api.url, db: past.db, templateId }));

describe("a coupon over HTTP", () => {
  test("is locked, used and given back by its owner", async () => {
    const { user, held } = await owned();
    const [{ code }, orderSn] = [held[0] as TestCoupon, freshOrder()];
    const locked = await post(`${code}/lock`, user.token, { orderSn, ttlSeconds: 60 });
    expect([locked.status, locked.body]).toEqual([
      200,
      {
        changed: true,
        coupon: {
          ...{ code, state: "locked", recorded: true, saleId: templateId },
          grantNo: expect.any(Number),
          template: {
            ...{ id: templateId, name: "five off", type: "amount_off", faceValue: 500 },
            ...{ basisPoints: null, discountMax: null, minimumSpend: 1_000, currency: "CNY" },
          },
          ...{ validFrom: null, expiresAt: null, grantedAt: expect.any(String), orderSn },
          lockedUntil: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          ...{ originalAmount: null, discountAmount: null, usedAt: null },
        },
      },
    ]);
    const endsInMs = Date.parse(locked.body.coupon.lockedUntil) - Date.now();
    expect(endsInMs).toBeGreaterThan(30_000);
    expect(endsInMs).toBeLessThanOrEqual(61_000);
    const used = await post(`${code}/use`, user.token, { orderSn, amounts: AMOUNTS });
    expect(used.body.coupon).toMatchObject({ state: "used", orderSn, discountAmount: 500 });
    const back = await post(`${code}/revert`, user.token, { orderSn });
    expect(back.body.coupon).toMatchObject({ state: "unused", orderSn: null, usedAt: null });
    const unlocked = await post(`${code}/unlock`, user.token, { orderSn });
    expect(unlocked.body).toEqual({ coupon: back.body.coupon, changed: false });
    expect(await historyOf(past.db, held[0] as TestCoupon)).toHaveLength(3);
  });

  test("is locked for 900 seconds if nobody says how long", async () => {
    const { user, held } = await owned();
    const { body } = await post(`${held[0]?.code}/lock`, user.token, { orderSn: freshOrder() });
    expect(Date.parse(body.coupon.lockedUntil) - Date.now()).toBeGreaterThan(850_000);
  });

  test("is known by its code however a person types it", async () => {
    const { user, held } = await owned();
    const code = held[0]?.code ?? "";
    const typed = `${code.slice(0, 4)}-${code.slice(4)}`.toLowerCase().replaceAll("0", "o");
    const found = await v1(api.url, `GET /v1/coupons/${typed}`, { token: user.token });
    expect([found.status, found.body.code]).toEqual([200, code]);
    const orderSn = freshOrder();
    expect(said(await post("lock", user.token, { codes: [typed], orderSn }))).toBe("200");
  });

  test("is locked and used by a service for the user whom it names, and for nobody else", async () => {
    const { user, held } = await owned();
    const [code, orderSn, userId] = [held[0]?.code ?? "", freshOrder(), user.id];
    expect(said(await post(`${code}/lock`, service, { orderSn, userId }))).toBe("200");
    expect(said(await post(`${code}/use`, service, { orderSn, userId, amounts: AMOUNTS }))).toBe(
      "200",
    );
    const unnamed = await post(`${code}/revert`, service, { orderSn });
    expect([said(unnamed), unnamed.body.errors[0].pointer]).toEqual(["422 validation", "/userId"]);
    const wrong = await post(`${code}/revert`, service, { orderSn, userId: userId + 1 });
    expect(said(wrong)).toBe("404 not_found");
    const shown = await v1(api.url, `GET /v1/coupons/${code}?userId=${userId}`, { token: service });
    expect(shown.body.state).toBe("used");
    expect((await list(service, `?userId=${userId}`)).items).toHaveLength(1);
    expect(said(await v1(api.url, "GET /v1/coupons", { token: service }))).toBe("422 validation");
  });

  test("of a list is locked, used and given back with the others, in the order of the request", async () => {
    const { user, held } = await owned(3, { db: past.db, templateId: free });
    const [codes, orderSn] = [held.map(({ code }) => code).toReversed(), freshOrder()];
    const locked = await post("lock", user.token, { codes, orderSn });
    expect(locked.body.coupons.map(({ code }: TestCoupon) => code)).toEqual(codes);
    const uses = codes.map((code) => ({ code, amounts: AMOUNTS }));
    const used = await post("use", user.token, { coupons: uses, orderSn });
    expect(used.body).toMatchObject({
      changed: true,
      coupons: codes.map(() => ({ state: "used" })),
    });
    expect((await post("unlock", user.token, { codes, orderSn })).body.code).toBe("coupon_used");
    const back = await post("revert", user.token, { codes, orderSn });
    expect(back.body.coupons).toMatchObject(codes.map((code) => ({ code, state: "unused" })));
  });
});

describe("a coupon over HTTP refuses", () => {
  test("another order while it is locked or used, with what is in the way", async () => {
    const { user, held } = await owned();
    const [code, orderSn] = [held[0]?.code ?? "", freshOrder()];
    const { body } = await post(`${code}/lock`, user.token, { orderSn });
    for (const [path, more] of [
      [`${code}/lock`, {}],
      [`${code}/use`, { amounts: AMOUNTS }],
    ] as const) {
      const refused = await post(path, user.token, { orderSn: "another", ...more });
      expect(said(refused)).toBe("409 coupon_locked");
      expect(refused.body).toMatchObject({ coupon: code, lockedUntil: body.coupon.lockedUntil });
    }
    await post(`${code}/use`, user.token, { orderSn, amounts: AMOUNTS });
    expect(said(await post(`${code}/lock`, user.token, { orderSn: "another" }))).toBe(
      "409 coupon_used",
    );
    const other = { ...AMOUNTS, discount: 499 };
    expect(said(await post(`${code}/use`, user.token, { orderSn, amounts: other }))).toBe(
      "409 coupon_used",
    );
  });

  test("whoever comes too late, wants too much, or pays in another currency", async () => {
    const { user, held } = await owned(2);
    const [first, second] = held as [TestCoupon, TestCoupon];
    await letExpire(past.db, first);
    expect(said(await post(`${first.code}/lock`, user.token, { orderSn: "x" }))).toBe(
      "409 coupon_expired",
    );
    const use = (amounts: object) =>
      post(`${second.code}/use`, user.token, { orderSn: "x", amounts });
    const much = await use({ ...AMOUNTS, discount: 501 });
    expect([said(much), much.body.most]).toEqual(["422 discount_too_large", 500]);
    expect(said(await use({ ...AMOUNTS, currency: "USD" }))).toBe("422 currency_mismatch");
    const more = await use({ ...AMOUNTS, original: 499 });
    expect([said(more), more.body.errors[0].pointer]).toEqual([
      "422 validation",
      "/amounts/discount",
    ]);
  });

  test("more than the limit of a user or the budget of the template", async () => {
    const user = await mintCustomer();
    const limited = await makeTemplate(past.db, { userLimit: 1, budget: 700 });
    const [one, two] = (await makeCoupons(past.db, limited, 2, { userId: user.id })) as [
      TestCoupon,
      TestCoupon,
    ];
    await post(`${one.code}/lock`, user.token, { orderSn: "x" });
    const limit = await post(`${two.code}/lock`, user.token, { orderSn: "y" });
    expect([said(limit), limit.body.limit]).toEqual(["409 template_limit_reached", 1]);
    const rich = await mintCustomer();
    const third = await makeCoupon(past.db, limited, { userId: rich.id });
    expect(said(await post(`${third.code}/lock`, rich.token, { orderSn: "z" }))).toBe(
      "409 template_budget_exhausted",
    );
  });

  test("an order that would have coupons that cannot be used together, with the rule", async () => {
    const { user, held } = await owned(2);
    const codes = held.map(({ code }) => code);
    const body = { orderSn: freshOrder(), codes };
    const uses = {
      orderSn: body.orderSn,
      coupons: codes.map((code) => ({ code, amounts: AMOUNTS })),
    };
    const detail = "Only one amount with a minimum spend can be taken off.";
    for (const [path, sent] of [
      ["lock", body],
      ["use", uses],
    ] as const) {
      const refused = await post(path, user.token, sent);
      expect(said(refused)).toBe("422 coupons_not_combinable");
      const violations = [{ rule: "one_threshold", codes: codes.toSorted(), detail }];
      expect(refused.body).toMatchObject({ detail, violations });
    }
  });

  test("what is not well formed, each field named", async () => {
    const { user, held } = await owned();
    const code = held[0]?.code ?? "";
    const bad = async (path: string, body: object) => {
      const refused = await post(path, user.token, body);
      expect(said(refused)).toBe("422 validation");
      return refused.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    };
    expect(await bad(`${code}/lock`, { ttlSeconds: 901 })).toEqual(["/orderSn", "/ttlSeconds"]);
    expect(await bad(`${code}/lock`, { orderSn: "a b", more: 1 })).toContain("/more");
    expect(await bad("lock", { orderSn: "x", codes: [] })).toEqual(["/codes"]);
    expect(await bad("lock", { orderSn: "x", codes: [code, code.toLowerCase()] })).toEqual([
      "/codes",
    ]);
    expect(await bad("lock", { orderSn: "x", codes: ["no code"] })).toEqual(["/codes/0"]);
    const six = Array.from({ length: 6 }, (_, index) => code.slice(0, -1) + index);
    expect(await bad("lock", { orderSn: "x", codes: six })).toEqual(["/codes"]);
    const query = await v1(api.url, "GET /v1/coupons?state=gone", { token: user.token });
    expect(said(query)).toBe("422 validation");
  });
});

describe("a coupon over HTTP is safe", () => {
  test("from everybody but its owner, who cannot even tell that it exists", async () => {
    const { user, held } = await owned();
    const [code, thief] = [held[0]?.code ?? "", await mintCustomer()];
    const [body, token] = [{ orderSn: "x" }, thief.token];
    expect(said(await v1(api.url, `GET /v1/coupons/${code}`, { token }))).toBe("404 not_found");
    for (const action of ["lock", "unlock", "revert"]) {
      expect(said(await post(`${code}/${action}`, token, body))).toBe("404 not_found");
      expect(said(await post(action, token, { ...body, codes: [code] }))).toBe("404 not_found");
    }
    expect(said(await post(`${code}/lock`, token, { ...body, userId: user.id }))).toBe(
      "403 forbidden",
    );
    expect(said(await v1(api.url, `GET /v1/coupons?userId=${user.id}`, { token }))).toBe(
      "403 forbidden",
    );
    expect(said(await v1(api.url, "GET /v1/coupons"))).toBe("401 unauthenticated");
    expect((await list(token)).items).toEqual([]);
    expect(await historyOf(past.db, held[0] as TestCoupon)).toEqual([]);
  });

  test("from its owner where a service has it locked or used", async () => {
    const { user, held } = await owned();
    const [code, orderSn, userId] = [held[0]?.code ?? "", freshOrder(), user.id];
    const undo = async (action: string) => [
      said(await post(`${code}/${action}`, user.token, { orderSn })),
      said(await post(action, user.token, { orderSn, codes: [code] })),
    ];
    const refused = ["403 held_by_service", "403 held_by_service"];
    await post(`${code}/lock`, service, { orderSn, userId });
    expect(await undo("unlock")).toEqual(refused);
    await post(`${code}/use`, service, { orderSn, userId, amounts: AMOUNTS });
    expect(await undo("revert")).toEqual(refused);
    expect(said(await post(`${code}/revert`, service, { orderSn, userId }))).toBe("200");
  });

  test("from requests that come twice, with an Idempotency-Key and without", async () => {
    const { user, held } = await owned();
    const [path, body] = [`${held[0]?.code}/lock`, { orderSn: freshOrder() }];
    const [first, replayed] = [
      await post(path, user.token, body, "a-key"),
      await post(path, user.token, body, "a-key"),
    ];
    expect(replayed.body).toEqual(first.body);
    expect(replayed.headers.get("idempotent-replayed")).toBe("true");
    expect((await post(path, user.token, body)).body).toEqual({ ...first.body, changed: false });
  });
});
