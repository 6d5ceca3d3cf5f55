// Reading the wallet of /v1 over HTTP, on two processes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Coupon } from "../src/coupons/coupon.ts";
import { createCouponWallet } from "../src/coupons/wallet.ts";
import { limits } from "../src/limits.ts";
import { saleKeys } from "../src/redis/keys.ts";
import type { Grant } from "../src/wallet/grants.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { letExpire, letLockRunOut, makeTemplate, type TestCoupon } from "./harness/coupons.ts";
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
let templateId: number;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, other] = await Promise.all([startApi(settings), startApi(settings)]);
  past = await behind(settings);
  templateId = await makeTemplate(past.db, { minimumSpend: 1_000 });
});
afterAll(stopEverything);

const { owned, post, list } = walletsOf(() => ({ url: api.url, db: past.db, templateId }));

describe("the wallet", () => {
  test("is listed newest first, in pages, by state as it is now", async () => {
    const { user, held } = await owned(5);
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

  test("shows each coupon alike in a list and alone", async () => {
    const { user, held } = await owned(2);
    await post(`${held[0]?.code}/use`, user.token, { orderSn: "u", amounts: AMOUNTS });
    await post(`${held[1]?.code}/lock`, user.token, { orderSn: "u" });
    for (const item of (await list(user.token)).items) {
      const { body } = await v1(api.url, `GET /v1/coupons/${item.code}`, { token: user.token });
      expect(body).toEqual(item);
    }
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
        expect(alone.body).toMatchObject({ code, recorded: false });
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
