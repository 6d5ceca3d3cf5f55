// Reading the wallet of /v1 over HTTP, on two processes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createServiceKey } from "../src/auth/keys.ts";
import type { Coupon } from "../src/coupons/coupon.ts";
import { createCouponWallet } from "../src/coupons/wallet.ts";
import { limits } from "../src/limits.ts";
import { saleKeys } from "../src/redis/keys.ts";
import type { Grant } from "../src/wallet/grants.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  letExpire,
  letLockRunOut,
  makeCoupons,
  makeTemplate,
  type TestCoupon,
} from "./harness/coupons.ts";
import { mintCustomer } from "./harness/http.ts";
import { newSale } from "./harness/sales.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";
import { AMOUNTS, said, walletsOf } from "./harness/wallets.ts";

let api: TestApi;
let other: TestApi;
let past: Behind;
let service: string;
let templateId: number;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, other] = await Promise.all([startApi(settings), startApi(settings)]);
  past = await behind(settings);
  const made = await createServiceKey(past.db, "checkout");
  service = typeof made === "string" ? made : made.key;
  templateId = await makeTemplate(past.db, { minimumSpend: 1_000 });
});
afterAll(stopEverything);

const historyIn = async (token: string, code: string, query = "", url = api.url) =>
  (await v1(url, `GET /v1/coupons/${code}/history${query}`, { token })).body;
const { owned, post, list } = walletsOf(() => ({ url: api.url, db: past.db, templateId }));

describe("the wallet", () => {
  test("is listed newest first, in pages, by state as it is now", async () => {
    const free = await makeTemplate(past.db);
    const { user, held } = await owned(5, { db: past.db, templateId: free });
    const newest = held.map(({ code }) => code).toReversed();
    const codesOf = (page: { items: TestCoupon[] }) => page.items.map(({ code }) => code);
    const pages = [await list(user.token, "?limit=2")];
    while (pages.at(-1).nextCursor) {
      pages.push(await list(user.token, `?limit=2&cursor=${pages.at(-1).nextCursor}`));
    }
    expect(pages.map(codesOf)).toEqual([newest.slice(0, 2), newest.slice(2, 4), newest.slice(4)]);

    const [used, locked, lapsed, over] = held as [TestCoupon, TestCoupon, TestCoupon, TestCoupon];
    await post(`${used.code}/use`, user.token, { orderSn: "u", amounts: AMOUNTS });
    await post("lock", user.token, { orderSn: "l", codes: [locked.code, lapsed.code] });
    await letLockRunOut(past.db, lapsed);
    await letExpire(past.db, over);
    const inState = async (state: string) => codesOf(await list(user.token, `?state=${state}`));
    expect(await inState("used")).toEqual([used.code]);
    expect(await inState("locked")).toEqual([locked.code]);
    expect(await inState("expired")).toEqual([over.code]);
    expect(await inState("unused")).toEqual([newest[0] as string, lapsed.code]);
    const states = (await list(user.token)).items.map(({ state }: { state: string }) => state);
    expect(states).toEqual(["unused", "expired", "unused", "locked", "used"]);
  });

  test("shows each coupon alike in a list and alone, where its template is whole", async () => {
    const { user, held } = await owned(2);
    await post(`${held[0]?.code}/use`, user.token, { orderSn: "u", amounts: AMOUNTS });
    await post(`${held[1]?.code}/lock`, user.token, { orderSn: "u" });
    for (const item of (await list(user.token)).items) {
      const { body } = await v1(api.url, `GET /v1/coupons/${item.code}`, { token: user.token });
      expect(body).toEqual({ ...item, template: expect.objectContaining(item.template) });
    }
  });

  test("shows of one coupon what it is for and what it goes together with", async () => {
    const user = await mintCustomer();
    const rules = {
      ...{ description: "for spring", goods: ["1"], categories: ["7", "8"] },
      ...{ excludedGoods: ["2"], excludedCategories: ["9"] },
      ...{ stacking: "group", stackingGroup: "spring", userLimit: 3 },
    };
    const id = await makeTemplate(past.db, { ...rules, minimumSpend: 1_000, budget: 90_000 });
    const [coupon] = await makeCoupons(past.db, id, 1, { userId: user.id });
    const one = await v1(api.url, `GET /v1/coupons/${coupon?.code}`, { token: user.token });
    expect([one.status, one.body.template]).toEqual([
      200,
      {
        ...{ id, name: "five off", type: "amount_off", faceValue: 500, basisPoints: null },
        ...{ discountMax: null, minimumSpend: 1_000, currency: "CNY", ...rules },
      },
    ]);
  });

  test("has a coupon on every process right after its 201, before it is in MySQL, and once afterwards", async () => {
    const saleId = await newSale(past, 5);
    const user = await mintCustomer();
    const before = await list(user.token, "", other);
    expect(before.items).toEqual([]);
    let code = "";
    await past.db.transaction(async (tx) => {
      // The ledger's worker cannot write while somebody else has these rows.
      await tx.execute(sql`SELECT shard FROM shards FOR UPDATE`);
      const won = await v1(api.url, `POST /v1/sales/${saleId}/grab`, { token: user.token });
      expect(won.status).toBe(201);
      code = won.body.code;
      for (const { url } of [api, other]) {
        const { items } = await list(user.token, "?state=unused", { url });
        expect(items).toMatchObject([
          { code, saleId, grantNo: 1, state: "unused", recorded: false },
        ]);
        expect((await list(user.token, "?state=used", { url })).items).toEqual([]);
        const alone = await v1(url, `GET /v1/coupons/${code}`, { token: user.token });
        expect(alone.body).toMatchObject({ code, recorded: false, template: { goods: [] } });
        expect(await historyIn(user.token, code, "", url)).toEqual({ items: [], nextCursor: null });
      }
      const early = await post(`${code}/lock`, user.token, { orderSn: "x" });
      expect([said(early), early.headers.get("retry-after")]).toEqual([
        "503 coupon_not_recorded",
        "1",
      ]);
    });
    const items = await until("its row", async () => {
      const { items: found } = await list(user.token, "", other);
      return found[0]?.recorded ? found : undefined;
    });
    expect(items).toHaveLength(1);
    expect(items[0].code).toBe(code);
    expect(said(await post(`${code}/lock`, user.token, { orderSn: "x" }))).toBe("200");
  });
});

describe("the history of a coupon", () => {
  test("tells what was done for which order, with which amounts, by whom and when, newest first", async () => {
    const { user, held } = await owned();
    const [{ code }, userId] = [held[0] as TestCoupon, user.id];
    await post(`${code}/lock`, user.token, { orderSn: "a" });
    await post(`${code}/lock`, service, { orderSn: "a", userId });
    await post(`${code}/use`, service, { orderSn: "a", userId, amounts: AMOUNTS });
    await post(`${code}/revert`, service, { orderSn: "a", userId });
    await post(`${code}/lock`, user.token, { orderSn: "b" });
    await letLockRunOut(past.db, held[0] as TestCoupon);
    await post(`${code}/use`, user.token, { orderSn: "c", amounts: AMOUNTS });
    const none = { originalAmount: null, discountAmount: null };
    const ofUse = { originalAmount: 12_000, discountAmount: 500 };
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const lines = [
      { action: "use", orderSn: "c", ...ofUse, by: "user", at },
      { action: "lapse", orderSn: "b", ...none, by: "time", at },
      { action: "lock", orderSn: "b", ...none, by: "user", at },
      { action: "revert", orderSn: "a", ...ofUse, by: "service", at },
      { action: "use", orderSn: "a", ...ofUse, by: "service", at },
      { action: "confirm", orderSn: "a", ...none, by: "service", at },
      { action: "lock", orderSn: "a", ...none, by: "user", at },
    ];
    const whole = { items: lines, nextCursor: null };
    expect(await historyIn(user.token, code)).toEqual(whole);
    expect(await historyIn(service, code, `?userId=${userId}`, other.url)).toEqual(whole);

    const pages = [await historyIn(user.token, code, "?limit=3")];
    while (pages.at(-1).nextCursor) {
      const { nextCursor } = pages.at(-1);
      pages.push(await historyIn(user.token, code, `?limit=3&cursor=${nextCursor}`));
    }
    expect(pages.map(({ items }) => items.length)).toEqual([3, 3, 1]);
    expect(pages.flatMap(({ items }) => items)).toEqual(lines);
  });

  test("is empty of a coupon with which nothing was done", async () => {
    const { user, held } = await owned();
    const { code } = held[0] as TestCoupon;
    expect(await historyIn(user.token, code)).toEqual({ items: [], nextCursor: null });
  });

  test("refuses what is not well formed, and a service that does not say whose coupon it is", async () => {
    const { user, held } = await owned();
    const { code } = held[0] as TestCoupon;
    for (const [path, token] of [
      [`${code}/history?limit=101`, user.token],
      [`${code}/history?cursor=x`, user.token],
      [`${code}/history?cursor=${btoa("[1,2]")}`, user.token],
      [`${code}/history?more=1`, user.token],
      [`${code}/history`, service],
    ] as const) {
      expect(said(await v1(api.url, `GET /v1/coupons/${path}`, { token }))).toBe("422 validation");
    }
    const path = `GET /v1/coupons/${code}/history?cursor=x`;
    const { errors } = (await v1(api.url, path, { token: service })).body;
    expect(errors).toMatchObject([{ parameter: "cursor" }]);
  });

  test("is safe from everybody but the owner, who cannot even tell that there is one", async () => {
    const { user, held } = await owned();
    const thief = await mintCustomer();
    await post(`${held[0]?.code}/lock`, user.token, { orderSn: "a" });
    const path = `GET /v1/coupons/${held[0]?.code}/history`;
    const asked = async (what: string, token?: string) => said(await v1(api.url, what, { token }));
    expect(await asked(path, thief.token)).toBe("404 not_found");
    expect(await asked(`${path}?userId=${thief.id}`, service)).toBe("404 not_found");
    expect(await asked(`${path}?userId=${user.id}`, thief.token)).toBe("403 forbidden");
    expect(await asked(path)).toBe("401 unauthenticated");
  });
});

test("a page looks at no more unrecorded grants than its bound, the newest, however many there are", async () => {
  const most = limits.walletRecentGrantsMax;
  const saleId = await newSale(past, most * 2);
  const user = await mintCustomer();
  const numbers = Array.from({ length: most * 2 }, (_, index) => `${index + 1}:key`);
  await past.redis.hset(saleKeys(saleId).winners, user.id, numbers.join(","));
  await past.redis.sadd(saleKeys(saleId).unrecorded, saleId);
  const asked: number[] = [];
  const wallet = createCouponWallet({
    ...{ db: past.db, redis: past.redis },
    pending: {
      grants: () => Promise.resolve([]),
      couponsOf(_, unrecorded: readonly Grant[]) {
        asked.push(unrecorded.length);
        const made = unrecorded.map(({ number }) => ({ saleId, grantNo: number }));
        return Promise.resolve(made as Coupon[]);
      },
    },
    templates: { peek: () => undefined, get: () => Promise.resolve(undefined) },
  });
  const page = { userId: user.id, count: limits.pageItemsMax + 1 };
  const numbersOf = (coupons: readonly Coupon[]) => coupons.map(({ grantNo }) => grantNo);
  const first = numbersOf(await wallet.list(page));
  expect(first).toEqual(Array.from({ length: page.count }, (_, index) => most * 2 - index));
  // Also far behind the beginning, where the bound begins anew.
  const next = numbersOf(await wallet.list({ ...page, after: { saleId, number: most } }));
  expect(next[0]).toBe(most - 1);
  expect(asked).toEqual([most, most - 1]);
});
