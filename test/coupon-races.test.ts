// Many changes of the same coupons at the same moment, from two processes: one winner each, and afterwards the
// states, the histories and the counters all tell the same story.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { expireOver, freeLapsed } from "../src/coupons/lapse.ts";
import type { Wish } from "../src/coupons/plan.ts";
import { templates } from "../src/templates/table.ts";
import { watch } from "./harness/api.ts";
import {
  ask,
  askAll,
  askAsService,
  assertConsistent,
  budgetOf,
  changeMeanwhile,
  discountsOf,
  freshNumber,
  freshOrder,
  historyOf,
  holdCoupons,
  LOCK,
  letLockRunOut,
  makeCoupon,
  makeCoupons,
  makeTemplate,
  openShop,
  REVERT,
  rowOf,
  type Shop,
  type TestCoupon,
  UNLOCK,
  use,
  whileHeld,
  word,
} from "./harness/coupons.ts";
import { tally } from "./harness/http.ts";
import { freshDatabase, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let url: string;
let shops: [Shop, Shop];

beforeAll(async () => {
  url = (await freshDatabase()).url;
  shops = [openShop(url), openShop(url)];
});
afterAll(stopEverything);

test("of 200 orders that lock one coupon one gets it", async () => {
  const templateId = await makeTemplate(shops[0].db, { budget: 500, userLimit: 1 });
  const coupon = await makeCoupon(shops[0].db, templateId);
  const words = await askAll(shops, 200, () => [LOCK, freshOrder(), coupon]);
  expect(tally(words)).toEqual({ done: 1, locked: 199 });
  expect(await historyOf(shops[0].db, coupon)).toHaveLength(1);
  await assertConsistent(shops[0].db, templateId);
}, 60_000);

test("of 200 orders that use one coupon one does", async () => {
  const templateId = await makeTemplate(shops[0].db, { budget: 500, userLimit: 1 });
  const coupon = await makeCoupon(shops[0].db, templateId);
  const words = await askAll(shops, 200, () => [use(500), freshOrder(), coupon]);
  expect(tally(words)).toEqual({ done: 1, used: 199 });
  await assertConsistent(shops[0].db, templateId);
}, 60_000);

test("one order that asks 100 times at once has one lock, and one use", async () => {
  const templateId = await makeTemplate(shops[0].db);
  const [coupon, order] = [await makeCoupon(shops[0].db, templateId), freshOrder()];
  expect(tally(await askAll(shops, 100, () => [LOCK, order, coupon]))).toEqual({
    done: 1,
    repeated: 99,
  });
  expect(tally(await askAll(shops, 100, () => [use(5), order, coupon]))).toEqual({
    done: 1,
    repeated: 99,
  });
  expect(await historyOf(shops[0].db, coupon)).toEqual([`lock ${order}`, `use ${order}`]);
}, 60_000);

test("a lock that ran out goes to one of 100 orders, and lapses once, whoever notices", async () => {
  const templateId = await makeTemplate(shops[0].db, { budget: 500, userLimit: 1 });
  const [coupon, order] = [await makeCoupon(shops[0].db, templateId), freshOrder()];
  await ask(shops[0], LOCK, order, coupon);
  await letLockRunOut(shops[0].db, coupon);
  const sweeps = Promise.all([freeLapsed(shops[0].db), freeLapsed(shops[1].db)]);
  const words = await askAll(shops, 100, () => [LOCK, freshOrder(), coupon]);
  await sweeps;
  expect(tally(words)).toEqual({ done: 1, locked: 99 });
  expect((await historyOf(shops[0].db, coupon)).slice(0, 2)).toEqual([
    `lock ${order}`,
    `lapse ${order}`,
  ]);
  await assertConsistent(shops[0].db, templateId);
}, 60_000);

test("200 locks, uses and expiries of one coupon leave one state that its history explains", async () => {
  const { db } = shops[0];
  const templateId = await makeTemplate(db, { budget: 500, userLimit: 1 });
  for (const expiresInMs of [-1, 20, 60, 150]) {
    const coupon = await makeCoupon(db, templateId, { expiresInMs });
    const sweeps = Array.from({ length: 20 }, (_, index) =>
      expireOver((shops[index % 2] as Shop).db),
    );
    const words = await askAll(shops, 180, (index) =>
      index % 2 === 0 ? [LOCK, freshOrder(), coupon] : [use(500), freshOrder(), coupon],
    );
    await Promise.all(sweeps);
    const { done = 0, expired = 0, locked = 0, used = 0 } = tally(words);
    expect(done + expired + locked + used).toBe(180);
    expect(done).toBeLessThanOrEqual(1);
    await until("an end of its time", async () => {
      await expireOver(db);
      const { state } = await rowOf(db, coupon);
      return state === (done === 1 ? state : "expired");
    });
    await assertConsistent(db, templateId);
    if (done === 1) {
      const { orderSn, state } = await rowOf(db, coupon);
      await ask(shops[0], state === "used" ? REVERT : UNLOCK, orderSn ?? "", coupon);
    }
  }
}, 60_000);

test("100 locks at once never exceed the limit of a user or a budget, and reach it", async () => {
  const { db } = shops[0];
  const limited = await makeTemplate(db, { userLimit: 3, budget: 500 * 1_000 });
  const userId = freshNumber();
  const own = await makeCoupons(db, limited, 100, { userId });
  const byUser = await askAll(shops, 100, (index) => [
    LOCK,
    freshOrder(),
    own[index] as TestCoupon,
  ]);
  expect(tally(byUser)).toEqual({ done: 3, "user-limit": 97 });
  await assertConsistent(db, limited);

  const tight = await makeTemplate(db, { budget: 500 * 7 + 499 });
  const all = await makeCoupons(db, tight, 100);
  const byBudget = await askAll(shops, 100, (index) => [
    LOCK,
    freshOrder(),
    all[index] as TestCoupon,
  ]);
  expect(tally(byBudget)).toEqual({ done: 7, budget: 93 });
  await assertConsistent(db, tight);
}, 60_000);

test("of services that confirm a lock or a use at once one writes it down", async () => {
  const { db } = shops[0];
  for (const wish of [LOCK, use(5)]) {
    const [coupon, order] = [await makeCoupon(db, await makeTemplate(db)), freshOrder()];
    await ask(shops[0], wish, order, coupon);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        askAsService(shops[index % 2] as Shop, wish, order, coupon),
      ),
    );
    expect(tally(outcomes.map(word))).toEqual({ done: 1, repeated: 19 });
    expect(await historyOf(db, coupon)).toEqual([`${wish.action} ${order}`, `confirm ${order}`]);
  }
});

test("a storm of everything keeps histories, counters and budgets together", async () => {
  const { db } = shops[0];
  const userId = freshNumber();
  const ids = [await makeTemplate(db, { budget: 1_200 }), await makeTemplate(db, { userLimit: 1 })];
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, index) => makeCoupon(db, ids[index % 2] as number, { userId })),
  );
  const orders = [freshOrder(), freshOrder(), freshOrder()];
  const wishesOf = (index: number): Wish[] => [
    ...[LOCK, UNLOCK, use(100 * (1 + (index % 3))), REVERT],
    { action: "lock", ttlSeconds: 1 },
  ];
  const words = await askAll(shops, 300, (index) => {
    const list = all.filter((_, place) => ((index * 7 + place * 5) % 11) % 3 === 0).slice(0, 5);
    const held = list.length > 0 ? list : [all[index % 6] as TestCoupon];
    if (index % 17 === 0) void freeLapsed(db);
    return [wishesOf(index)[index % 5] as Wish, orders[index % 3] as string, ...held];
  });
  const { done = 0 } = tally(words);
  expect(done).toBeGreaterThan(10);
  for (const id of ids) await assertConsistent(db, id);
}, 60_000);

test("a revert that has waited gives back what the order has now, not what it had before", async () => {
  const { db } = shops[0];
  for (const budget of [5_000, null]) {
    const templateId = await makeTemplate(db, { budget });
    const [coupon, order] = [await makeCoupon(db, templateId), freshOrder()];
    await ask(shops[0], use(400), order, coupon);
    const reverted = await changeMeanwhile(
      ...[shops[0], [coupon]],
      () => ask(shops[1], REVERT, order, coupon),
      async (shop) => {
        await ask(shop, REVERT, order, coupon);
        await ask(shop, use(100), order, coupon);
      },
    );
    expect(word(reverted)).toBe("done");
    expect(await budgetOf(db, templateId)).toEqual([0, 0]);
    expect(await discountsOf(db, coupon)).toEqual([400, 400, 100, 100]);
    await assertConsistent(db, templateId);
  }
});

test("an unlock, a use and a lapse that have waited take what the lock has set aside now", async () => {
  const { db } = shops[0];
  for (const wish of [UNLOCK, use(100), LOCK]) {
    const templateId = await makeTemplate(db, { budget: 5_000, faceValue: 400 });
    const [coupon, order] = [await makeCoupon(db, templateId), freshOrder()];
    await ask(shops[0], LOCK, order, coupon);
    const lapses = wish === LOCK;
    if (lapses) await letLockRunOut(db, coupon);
    const outcome = await changeMeanwhile(
      ...[shops[0], [coupon]],
      () => ask(shops[1], wish, order, coupon),
      async (shop) => {
        await ask(shop, UNLOCK, order, coupon);
        await shop.db.update(templates).set({ faceValue: 300 }).where(eq(templates.id, templateId));
        await ask(shop, LOCK, order, coupon);
        if (lapses) await letLockRunOut(shop.db, coupon);
      },
    );
    expect(word(outcome)).toBe("done");
    await assertConsistent(db, templateId);
  }
});

test("a coupon whose row somebody else has for three seconds is locked after all", async () => {
  const { db } = shops[0];
  const [coupon, order] = [await makeCoupon(db, await makeTemplate(db)), freshOrder()];
  const outcome = await whileHeld(
    shops[0],
    (tx) => holdCoupons(tx, [coupon]),
    () => ask(shops[1], LOCK, order, coupon),
    async () => {
      const since = performance.now();
      await until("three seconds to be over", () => performance.now() - since > 3_000);
    },
  );
  expect(word(outcome)).toBe("done");
}, 20_000);

test("the lock of a process that was killed frees itself", async () => {
  const { db } = shops[0];
  const templateId = await makeTemplate(db, { budget: 500, userLimit: 1 });
  const coupon = await makeCoupon(db, templateId);
  const locker = watch([process.execPath, "test/harness/locker.ts"], {
    ...{ DATABASE_URL: url, CODE: coupon.code, USER_ID: String(coupon.userId), TTL_SECONDS: "2" },
  });
  await until("its lock", () => locker.output().includes("locked"));
  await locker.end("SIGKILL");
  const order = freshOrder();
  expect(await word(await ask(shops[0], LOCK, order, coupon))).toBe("locked");
  await until(
    "it to run out",
    async () => word(await ask(shops[0], LOCK, order, coupon)) === "done",
  );
  expect(await historyOf(db, coupon)).toEqual([
    ...["lock killed", "lapse killed"],
    `lock ${order}`,
  ]);
  await assertConsistent(db, templateId);
}, 60_000);
