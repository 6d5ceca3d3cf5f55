// What may become of a coupon, and what may not, on a real MySQL: one process, one thing after the other.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { expireOver } from "../src/coupons/lapse.ts";
import {
  ask,
  askAsService,
  assertConsistent,
  freshNumber,
  freshOrder,
  historyOf,
  LOCK,
  letExpire,
  letLockRunOut,
  makeTemplate,
  type OwnShop,
  openOwnShop,
  REVERT,
  rowOf,
  UNLOCK,
  use,
  word,
} from "./harness/coupons.ts";
import { stopEverything } from "./harness/servers.ts";

let shop: OwnShop;

beforeAll(async () => {
  shop = await openOwnShop();
});
afterAll(stopEverything);

describe("a coupon", () => {
  test("goes from unused to locked to used and back, and its history keeps all of it", async () => {
    const [coupon, order] = [await shop.make(), freshOrder()];
    const locked = await ask(shop, LOCK, order, coupon);
    expect(locked).toMatchObject({ kind: "done", coupons: [{ state: "locked", orderSn: order }] });
    expect(await shop.asked(use(500), order, coupon)).toBe("done");
    expect(await rowOf(shop.db, coupon)).toMatchObject({
      ...{ state: "used", orderSn: order, originalAmount: 10_000, discountAmount: 500 },
    });
    const back = await ask(shop, REVERT, order, coupon);
    expect(back).toMatchObject({ kind: "done", coupons: [{ state: "unused", orderSn: null }] });
    expect(await shop.asked(LOCK, order, coupon)).toBe("done");
    expect(await shop.asked(UNLOCK, order, coupon)).toBe("done");
    const history = ["lock", "use", "revert", "lock", "unlock"].map((one) => `${one} ${order}`);
    expect(await historyOf(shop.db, coupon)).toEqual(history);
  });

  test("can be used without a lock", async () => {
    const coupon = await shop.make();
    expect(await shop.asked(use(1), freshOrder(), coupon)).toBe("done");
  });

  test("stays as it is when the same order asks again, also its lock's end", async () => {
    const [coupon, order] = [await shop.make(), freshOrder()];
    for (const wish of [LOCK, UNLOCK, LOCK, use(500), REVERT]) {
      expect(await shop.asked(wish, order, coupon)).toBe("done");
      const [row, history] = [await rowOf(shop.db, coupon), await historyOf(shop.db, coupon)];
      expect(await shop.asked(wish, order, coupon)).toBe("repeated");
      expect(await rowOf(shop.db, coupon)).toEqual(row);
      expect(await historyOf(shop.db, coupon)).toEqual(history);
    }
  });

  test("that another order has locked or used is refused, with the lock's end", async () => {
    const [coupon, order, other] = [await shop.make(), freshOrder(), freshOrder()];
    await ask(shop, LOCK, order, coupon);
    const { lockedUntil } = await rowOf(shop.db, coupon);
    for (const wish of [LOCK, use(1)]) {
      expect(await ask(shop, wish, other, coupon)).toEqual({
        ...{ kind: "refused", code: coupon.code },
        refusal: { kind: "locked", lockedUntil: lockedUntil as Date },
      });
    }
    expect(await shop.asked(UNLOCK, other, coupon)).toBe("repeated");
    await ask(shop, use(500), order, coupon);
    expect(await shop.asked(LOCK, other, coupon)).toBe("used");
    expect(await shop.asked(use(500), other, coupon)).toBe("used");
    expect(await shop.asked(UNLOCK, order, coupon)).toBe("used");
    expect(await shop.asked(REVERT, other, coupon)).toBe("repeated");
    expect(await rowOf(shop.db, coupon)).toMatchObject({ state: "used", orderSn: order });
  });

  test("used for other amounts than before is refused", async () => {
    const [coupon, order] = [await shop.make(), freshOrder()];
    await ask(shop, use(500), order, coupon);
    expect(await shop.asked(use(499), order, coupon)).toBe("used-otherwise");
  });

  test("of somebody else is unknown", async () => {
    const coupon = await shop.make();
    const outcome = await ask(shop, LOCK, freshOrder(), { ...coupon, userId: freshNumber() });
    expect(outcome).toEqual({ kind: "unknown", code: coupon.code });
  });

  test("cannot be locked or used when its time is over or has not come", async () => {
    const over = await shop.make({ expiresInMs: -1 });
    const early = await shop.make(
      { expiresInMs: 1e6 },
      await makeTemplate(shop.db, { name: "early" }),
    );
    await shop.db.execute(
      `UPDATE coupons SET valid_from = UTC_TIMESTAMP(3) + INTERVAL 1 DAY WHERE code = '${early.code}'`,
    );
    for (const wish of [LOCK, use(1)]) {
      expect(await shop.asked(wish, freshOrder(), over)).toBe("expired");
      expect(await shop.asked(wish, freshOrder(), early)).toBe("early");
    }
  });

  test("that expires while it is locked can still be used by its order, and expires when that is undone", async () => {
    const [coupon, order] = [await shop.make(), freshOrder()];
    await ask(shop, LOCK, order, coupon);
    await letExpire(shop.db, coupon);
    expect(await shop.asked(use(500), order, coupon)).toBe("done");
    const back = await ask(shop, REVERT, order, coupon);
    expect(back).toMatchObject({ kind: "done", coupons: [{ state: "expired" }] });
    expect(await shop.asked(LOCK, freshOrder(), coupon)).toBe("expired");
    await expireOver(shop.db);
    expect(await historyOf(shop.db, coupon)).toEqual([
      ...["lock", "use", "revert"].map((one) => `${one} ${order}`),
      "expire",
    ]);
    await assertConsistent(shop.db, shop.plain);
  });

  test("whose lock ran out is free for anybody, and the history says so", async () => {
    const [coupon, order, other] = [await shop.make(), freshOrder(), freshOrder()];
    await ask(shop, LOCK, order, coupon);
    await letLockRunOut(shop.db, coupon);
    expect(await shop.asked(LOCK, other, coupon)).toBe("done");
    await letLockRunOut(shop.db, coupon);
    expect(await shop.asked(UNLOCK, other, coupon)).toBe("done");
    await ask(shop, LOCK, other, coupon);
    await letLockRunOut(shop.db, coupon);
    expect(await shop.asked(use(500), other, coupon)).toBe("done");
    expect(await historyOf(shop.db, coupon)).toEqual([
      ...[`lock ${order}`, `lapse ${order}`, `lock ${other}`, `lapse ${other}`],
      ...[`lock ${other}`, `lapse ${other}`, `use ${other}`],
    ]);
    await assertConsistent(shop.db, shop.plain);
  });

  test("is judged in the currency of its template, and takes off no more than it can", async () => {
    const percent = { type: "percent_off", faceValue: 0, basisPoints: 2_000, discountMax: 900 };
    const shipping = { type: "free_shipping", faceValue: 0, discountMax: 300 };
    const ofPercent = await shop.make({}, await makeTemplate(shop.db, percent));
    const ofShipping = await shop.make({}, await makeTemplate(shop.db, shipping));
    const order = freshOrder();
    const dollars = { original: 10_000, discount: 1, currency: "USD" };
    const plainOne = await shop.make();
    expect(await shop.asked({ action: "use", amounts: dollars }, order, plainOne)).toBe("currency");
    for (const [coupon, original, most] of [
      [plainOne, 10_000, 500],
      [ofPercent, 999, 199],
      [ofPercent, 10_000, 900],
      [ofShipping, 10_000, 300],
    ] as const) {
      expect(await ask(shop, use(most + 1, original), order, coupon)).toMatchObject({
        refusal: { kind: "too-much", most },
      });
      expect(await shop.asked(use(most, original), order, coupon)).toBe("done");
      await ask(shop, REVERT, order, coupon);
    }
  });
});

describe("several coupons at once", () => {
  test("change all or none", async () => {
    const [userId, order] = [freshNumber(), freshOrder()];
    const list = [
      await shop.make({ userId }),
      await shop.make({ userId }),
      await shop.make({ userId }),
    ] as const;
    await ask(shop, LOCK, freshOrder(), list[1]);
    expect(await ask(shop, LOCK, order, ...list)).toMatchObject({
      ...{ kind: "refused", code: list[1].code },
    });
    expect((await rowOf(shop.db, list[0])).state).toBe("unused");
    await letLockRunOut(shop.db, list[1]);
    const outcome = await ask(shop, LOCK, order, list[2], list[0], list[1]);
    expect(outcome).toMatchObject({
      coupons: [list[2], list[0], list[1]].map(({ code }) => ({ code, state: "locked" })),
    });
    expect(await shop.asked(use(500), order, ...list)).toBe("done");
    expect(await shop.asked(REVERT, order, ...list)).toBe("done");
    expect(await shop.asked(REVERT, order, ...list)).toBe("repeated");
    await assertConsistent(shop.db, shop.plain);
  });

  test("of one template count together against a user's limit", async () => {
    const limited = await makeTemplate(shop.db, { userLimit: 2 });
    const [userId, order] = [freshNumber(), freshOrder()];
    const list = await Promise.all([1, 2, 3].map(() => shop.make({ userId }, limited)));
    expect(await ask(shop, LOCK, order, ...list)).toMatchObject({
      refusal: { kind: "user-limit", limit: 2 },
    });
    expect(await shop.asked(LOCK, order, ...list.slice(1))).toBe("done");
    await assertConsistent(shop.db, limited);
  });
});

describe("what a service has", () => {
  test("locked or used its owner cannot undo, also by using the service's lock first; the service can", async () => {
    const templateId = await makeTemplate(shop.db, { userLimit: 5, budget: 5_000 });
    const [coupon, order] = [await shop.make({}, templateId), freshOrder()];
    const served = async (...[wish]: [Parameters<typeof ask>[1]]) =>
      word(await askAsService(shop, wish, order, coupon));
    expect(await served(LOCK)).toBe("done");
    expect(await shop.asked(UNLOCK, order, coupon)).toBe("held-by-service");
    expect(await shop.asked(use(500), order, coupon)).toBe("done");
    expect(await shop.asked(REVERT, order, coupon)).toBe("held-by-service");
    expect(await served(REVERT)).toBe("done");
    expect(await served(use(500))).toBe("done");
    expect(await shop.asked(REVERT, order, coupon)).toBe("held-by-service");
    expect(await shop.asked(REVERT, freshOrder(), coupon)).toBe("repeated");
    expect(await served(REVERT)).toBe("done");
    expect(await served(LOCK)).toBe("done");
    expect(await served(UNLOCK)).toBe("done");
    expect(await shop.asked(LOCK, order, coupon)).toBe("done");
    expect(await shop.asked(UNLOCK, order, coupon)).toBe("done");
    await assertConsistent(shop.db, templateId);
  });

  test("found locked or used by the owner for its order is the service's from then on", async () => {
    const templateId = await makeTemplate(shop.db, { userLimit: 5, budget: 5_000 });
    for (const [wish, undo] of [
      [LOCK, UNLOCK],
      [use(500), REVERT],
    ] as const) {
      const [coupon, order] = [await shop.make({}, templateId), freshOrder()];
      expect(await shop.asked(wish, order, coupon)).toBe("done");
      const before = await rowOf(shop.db, coupon);
      expect(word(await askAsService(shop, wish, order, coupon))).toBe("done");
      expect(await rowOf(shop.db, coupon)).toEqual({ ...before, byService: true });
      expect(word(await askAsService(shop, wish, order, coupon))).toBe("repeated");
      expect(await shop.asked(undo, order, coupon)).toBe("held-by-service");
      expect((await historyOf(shop.db, coupon)).at(-1)).toBe(`confirm ${order}`);
    }
    await assertConsistent(shop.db, templateId);
  });

  test("locked is free for its owner once the lock ran out, and then the owner's", async () => {
    const [coupon, order] = [await shop.make(), freshOrder()];
    await askAsService(shop, LOCK, order, coupon);
    await letLockRunOut(shop.db, coupon);
    expect(await shop.asked(UNLOCK, order, coupon)).toBe("done");
    expect(await shop.asked(use(500), order, coupon)).toBe("done");
    expect(await shop.asked(REVERT, order, coupon)).toBe("done");
  });

  test("the owner's undoing and the service's confirming, both at once, leave to one of them", async () => {
    for (let round = 0; round < 20; round += 1) {
      const [coupon, order] = [await shop.make(), freshOrder()];
      await ask(shop, use(500), order, coupon);
      const [undone, confirmed] = await Promise.all([
        ask(shop, REVERT, order, coupon),
        askAsService(shop, use(500), order, coupon),
      ]);
      // Whoever was first, in the end the service has what it was told.
      expect(word(confirmed)).toBe("done");
      expect(["done", "held-by-service"]).toContain(word(undone));
      expect(await rowOf(shop.db, coupon)).toMatchObject({ state: "used", byService: true });
    }
  });
});
