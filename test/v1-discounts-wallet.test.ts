// What somebody's whole wallet could do for an order: large ones, and coupons that were won a moment ago.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { inArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/mysql2";
import { coupons } from "../src/coupons/table.ts";
import { openPool } from "../src/db/client.ts";
import { readPiles } from "../src/discounts/piles.ts";
import { createDiscounts } from "../src/discounts/service.ts";
import { limits } from "../src/limits.ts";
import { RedisAway } from "../src/redis/reading.ts";
import { templates } from "../src/templates/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshNumber, makeCoupon, makeCoupons, makeTemplate } from "./harness/coupons.ts";
import { inParallel, mintCustomer } from "./harness/http.ts";
import { newSale } from "./harness/sales.ts";
import { startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let other: TestApi;
let past: Behind;
let databaseUrl: string;

beforeAll(async () => {
  const { settings } = await startStores();
  databaseUrl = settings.DATABASE_URL;
  [api, other] = await Promise.all([startApi(settings), startApi(settings)]);
  past = await behind(settings);
});
afterAll(stopEverything);

const HOUR_MS = 3_600_000;
const ORDER = {
  items: [{ goods: "1", category: "7", quantity: 2, unitPrice: 50_000 }],
  ...{ shippingFee: 800, currency: "CNY" },
};

const available = async (token: string, body: object = {}, { url } = api) =>
  (await v1(url, "POST /v1/coupons/available", { token, body: { ...ORDER, ...body } })).body;
const calculate = (token: string, codes: readonly string[], { url } = api) =>
  v1(url, "POST /v1/discounts/calculate", { token, body: { ...ORDER, codes } });

interface Offer {
  readonly code: string;
  readonly template: { readonly id: number };
  readonly applies: boolean;
  readonly more: number;
  readonly reason?: { readonly code: string };
}
const sum = (all: readonly number[]) => all.reduce((one, next) => one + next, 0);
/** How many coupons an answer tells of. */
const toldOf = ({ coupons: listed }: { coupons: Offer[] }) =>
  listed.length + sum(listed.map(({ more }) => more));

type Terms = NonNullable<Parameters<typeof makeTemplate>[1]>;

/** As many templates that differ, each with a coupon of this user that ends so soon. */
const giveOfEach = (userId: number, count: number, expiresInMs: number, terms: Terms) =>
  inParallel(Array.from({ length: count }), 8, async () => {
    const templateId = await makeTemplate(past.db, terms);
    await makeCoupon(past.db, templateId, { userId, expiresInMs });
  });

describe("a large wallet", () => {
  test("of sixty small coupons that expire first does not hide the large one", async () => {
    const user = await mintCustomer();
    const small = await makeTemplate(past.db, { faceValue: 100 });
    const large = await makeTemplate(past.db, { faceValue: 10_000 });
    for (let i = 0; i < 60; i += 1) {
      await makeCoupon(past.db, small, { userId: user.id, expiresInMs: HOUR_MS + i });
    }
    const hundred = await makeCoupon(past.db, large, { userId: user.id });
    const answer = await available(user.token);
    expect(answer.best).toMatchObject({ exact: true, discount: 10_400 });
    expect(answer.best.codes).toContain(hundred.code);
    const shown = answer.coupons.map(({ template, more }: Offer) => [template.id, more]);
    const four = Array.from({ length: limits.couponsPerOrderMax - 1 }, () => [small, 0]);
    expect(shown).toEqual([...four, [small, 55], [large, 0]]);
    expect([answer.hasMore, toldOf(answer)]).toEqual([false, 61]);
  });

  test("tells of all coupons of a template by what they can do", async () => {
    const user = await mintCustomer();
    const templateId = await makeTemplate(past.db);
    const held = await makeCoupons(past.db, templateId, 24, { userId: user.id });
    const codes = held.map(({ code }) => code).sort();
    const lock = (orderSn: string, locked: string[]) =>
      v1(api.url, "POST /v1/coupons/lock", { token: user.token, body: { orderSn, codes: locked } });
    for (const [orderSn, from, to] of [
      ["mine", 0, 5],
      ["theirs", 5, 10],
      ["others", 10, 11],
    ] as const) {
      expect((await lock(orderSn, codes.slice(from, to))).status).toBe(200);
    }
    const early = codes.slice(11, 17);
    await past.db
      .update(coupons)
      .set({ validFrom: sql`UTC_TIMESTAMP(3) + INTERVAL 1 HOUR` })
      .where(sql`${coupons.code} IN ${early}`);
    const answer = await available(user.token, { orderSn: "mine" });
    const words = answer.coupons.map(({ applies, reason, more }: Offer) => [
      ...[applies ? "applies" : reason?.code, more],
    ]);
    const five = (word: string, more: number) => [
      ...[...Array.from({ length: 4 }, () => [word, 0]), [word, more]],
    ];
    expect(words).toEqual([
      ...five("applies", 0),
      ...five("locked", 1),
      ...five("not_yet_valid", 1),
      ...five("applies", 2),
    ]);
    expect(toldOf(answer)).toBe(24);
  });

  test("of more templates than are looked at is looked at where it may apply, and says so", async () => {
    const user = await mintCustomer();
    const most = limits.discountPilesMax;
    const foreign = { currency: "USD", faceValue: 90_000 };
    await giveOfEach(user.id, most / 2, HOUR_MS, foreign);
    await giveOfEach(user.id, most / 2, HOUR_MS, { minimumSpend: 100_001 });
    await giveOfEach(user.id, 1, 9 * HOUR_MS, { faceValue: 7_000, minimumSpend: 100_000 });
    const answer = await available(user.token);
    expect(answer).toMatchObject({ hasMore: true, best: { exact: true, discount: 7_000 } });
    expect(answer.coupons).toHaveLength(most);
    await giveOfEach(user.id, most, HOUR_MS, { faceValue: 10 });
    const { hasMore, best } = await available(user.token);
    expect([hasMore, best.exact]).toEqual([true, false]);
  });

  test("is found by its user, whatever others have", async () => {
    const user = await mintCustomer();
    const templateId = await makeTemplate(past.db);
    const others = Array.from({ length: 3_000 }, (_, i) => ({
      ...{ code: `YY${String(i).padStart(18, "0")}`, userId: 900_000_000 + (i % 300), templateId },
      ...{ saleId: 900_000_000, grantNo: i + 1, grantedAt: new Date() },
    }));
    await past.db.insert(coupons).values(others);
    await makeCoupons(past.db, templateId, 8, { userId: user.id });
    const { pool, close } = openPool(databaseUrl, 1);
    stopLater(close);
    const asked: [string, unknown[]][] = [];
    const logger = { logQuery: (text: string, values: unknown[]) => asked.push([text, values]) };
    const db = drizzle({ client: pool, logger });
    await db.execute(sql`ANALYZE TABLE ${coupons}`);
    const { piles } = await readPiles(db, { userId: user.id, orderSn: "o" }, ORDER);
    expect(piles).toMatchObject([{ templateId, more: 3 }]);
    const [text, values] = asked.at(-1) ?? ["", []];
    const [plan] = await pool.promise().query(`EXPLAIN FORMAT=TRADITIONAL ${text}`, values);
    const steps = (plan as { table: string; key: string | null }[]).filter(
      ({ table }) => table === "coupons",
    );
    expect(steps.map(({ key }) => key)).toEqual(["coupons_user"]);
  });
});

describe("a coupon that was won a moment ago", () => {
  test("counts on every process before it is in MySQL, and once afterwards", async () => {
    const saleId = await newSale(past, 5);
    const user = await mintCustomer();
    let code = "";
    await past.db.transaction(async (tx) => {
      // The ledger's worker cannot write while somebody else has these rows.
      await tx.execute(sql`SELECT shard FROM shards FOR UPDATE`);
      const won = await v1(api.url, `POST /v1/sales/${saleId}/grab`, { token: user.token });
      expect(won.status).toBe(201);
      code = won.body.code;
      for (const at of [api, other]) {
        const { status, body } = await calculate(user.token, ["NX0000000000000000QQ", code], at);
        expect([status, body.discount, body.coupons]).toMatchObject([
          200,
          500,
          [
            { code, applied: true, discount: 500, recorded: false },
            { applied: false, reason: { code: "unknown_coupon" } },
          ],
        ]);
        const { coupons: listed, best } = await available(user.token, {}, at);
        expect(listed).toMatchObject([{ code, applies: true, discount: 500, recorded: false }]);
        expect(best).toMatchObject({ codes: [code], coupons: [{ code, recorded: false }] });
      }
    });
    const listed = await until("its row", async () => {
      const { coupons: all } = await available(user.token, {}, other);
      return all[0] && !("recorded" in all[0]) ? all : undefined;
    });
    expect(listed).toMatchObject([{ code, applies: true, discount: 500, more: 0 }]);
    const { body } = await calculate(user.token, [code]);
    expect(body.coupons).toEqual([{ code, applied: true, discount: 500 }]);
  });

  /** The service with what Redis says put into its mouth. */
  const discountsWith = (pending: Parameters<typeof createDiscounts>[0]["pending"]) =>
    createDiscounts({ db: past.db, pending, clock: { now: Date.now } });

  /** The service when these coupons were granted a moment ago. */
  async function discountsAfter(granted: readonly { code: string; templateId: number }[]) {
    const ids = granted.map(({ templateId }) => templateId);
    const rows = await past.db.select().from(templates).where(inArray(templates.id, ids));
    const all = granted.map(({ code, templateId }, i) => ({
      ...{ code, template: rows.find(({ id }) => id === templateId), grantNo: i },
      ...{ state: "unused", validFrom: null, expiresAt: null },
    }));
    return discountsWith({
      grants: () => Promise.resolve(all.map((_, i) => ({ saleId: 1, number: i }))),
      couponsOf: (_, grants) => Promise.resolve(grants.map(({ number }) => all[number]) as never),
    });
  }
  const ofEach = (ids: readonly number[]) =>
    ids.map((templateId) => ({ code: `ZZ${String(templateId).padStart(18, "0")}`, templateId }));
  const templatesOf = (count: number, terms: Terms) =>
    inParallel(Array.from({ length: count }), 8, () => makeTemplate(past.db, terms));

  test("joins the others of its template", async () => {
    const userId = freshNumber();
    const templateId = await makeTemplate(past.db);
    const held = await makeCoupons(past.db, templateId, 7, { userId });
    const codes = [...held.map(({ code }) => code), "ZZ000000000000000000"];
    const discounts = await discountsAfter(codes.map((code) => ({ code, templateId })));
    const { offers } = await discounts.available({ userId }, ORDER);
    expect(offers).toHaveLength(limits.couponsPerOrderMax);
    expect(sum(offers.map(({ more }) => more))).toBe(3);
  });

  test("counts among the kinds that are looked at, before those that cannot apply", async () => {
    const userId = freshNumber();
    const most = limits.discountPilesMax;
    await giveOfEach(userId, most, HOUR_MS, { currency: "USD" });
    const foreign = await templatesOf(10, { currency: "USD" });
    const [useful = 0] = await templatesOf(1, { faceValue: 7_000 });
    const few = await discountsAfter(ofEach([...foreign, useful]));
    const seen = await few.available({ userId }, ORDER);
    expect(seen.offers).toHaveLength(most);
    expect(seen).toMatchObject({ hasMore: true, best: { exact: true } });
    expect(seen.best.calculation.discount).toBe(7_000);

    const many = await discountsAfter(ofEach(await templatesOf(most + 1, { faceValue: 10 })));
    const cut = await many.available({ userId }, ORDER);
    expect(cut.offers).toHaveLength(most);
    expect(cut).toMatchObject({ hasMore: true, best: { exact: false } });
  });

  test("is said to be left out where there are more of them than are looked at", async () => {
    const userId = freshNumber();
    const templateId = await makeTemplate(past.db);
    const most = limits.walletRecentGrantsMax;
    const granted = Array.from({ length: most + 1 }, (_, i) => ({
      ...{ code: `ZZ${String(i).padStart(18, "0")}`, templateId },
    }));
    for (const [count, hasMore] of [
      [most, false],
      [most + 1, true],
    ] as const) {
      const discounts = await discountsAfter(granted.slice(0, count));
      const { offers, ...shown } = await discounts.available({ userId }, ORDER);
      expect(shown).toMatchObject({ hasMore, best: { exact: !hasMore } });
      expect(offers.length + sum(offers.map(({ more }) => more))).toBe(most);
    }
  });

  test("is not seen without Redis, and what is in MySQL is", async () => {
    const userId = freshNumber();
    const [held] = await makeCoupons(past.db, await makeTemplate(past.db), 1, { userId });
    const code = held?.code ?? "";
    const discounts = discountsWith({
      grants: () => Promise.reject(new RedisAway("away")),
      couponsOf: () => Promise.resolve([]),
    });
    const { best } = await discounts.available({ userId }, ORDER);
    expect(best.codes).toEqual([code]);
    expect(await discounts.calculate({ userId }, ORDER, [code])).toMatchObject({ discount: 500 });
    const unsure = discounts.calculate({ userId }, ORDER, [code, "NX0000000000000000QQ"]);
    await expect(unsure).rejects.toThrow(RedisAway);
  });
});
