// Several coupons at once while others change the same ones, from two processes: all of them or none, whichever of them
// was as wished already.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ask,
  askAll,
  assertConsistent,
  changeMeanwhile,
  freshNumber,
  freshOrder,
  LOCK,
  letLockRunOut,
  makeCoupon,
  makeTemplate,
  openShop,
  REVERT,
  rowOf,
  type Shop,
  type TestCoupon,
  UNLOCK,
  use,
  word,
} from "./harness/coupons.ts";
import { tally } from "./harness/http.ts";
import { freshDatabase, stopEverything } from "./harness/servers.ts";

let shops: [Shop, Shop];

beforeAll(async () => {
  const { url } = await freshDatabase();
  shops = [openShop(url), openShop(url)];
});
afterAll(stopEverything);

test("lists that overlap, in any order, leave each coupon with one order and none half taken", async () => {
  const { db } = shops[0];
  const userId = freshNumber();
  const ids = await Promise.all([1, 2, 3].map(() => makeTemplate(db, { budget: 50_000 })));
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, index) => makeCoupon(db, ids[index % 3] as number, { userId })),
  );
  const orders = new Map<string, TestCoupon[]>();
  const words = await askAll(shops, 120, (index) => {
    const rotated = [...all.slice(index % 6), ...all.slice(0, index % 6)].slice(0, 4);
    const list = index % 2 ? rotated : rotated.toReversed();
    const order = freshOrder();
    orders.set(order, list);
    return [LOCK, order, ...list];
  });
  expect(tally(words)).toEqual({ done: 1, locked: 119 });
  const owners = await Promise.all(all.map((coupon) => rowOf(db, coupon)));
  const winner = owners.find(({ orderSn }) => orderSn !== null)?.orderSn ?? "";
  const taken = orders.get(winner)?.map(({ id }) => id) ?? [];
  const owned = owners.filter(({ orderSn }) => orderSn === winner).map(({ id }) => id);
  expect(new Set(owned)).toEqual(new Set(taken));
  expect(owners.filter(({ orderSn }) => orderSn === null)).toHaveLength(2);
  for (const id of ids) await assertConsistent(db, id);
}, 60_000);

describe("a list of which one coupon is as wished already", () => {
  const makeTwo = async () => {
    const { db } = shops[0];
    const [templateId, userId] = [await makeTemplate(db, { budget: 5_000 }), freshNumber()];
    const [first, second] = [
      await makeCoupon(db, templateId, { userId }),
      await makeCoupon(db, templateId, { userId }),
    ];
    return { templateId, both: [first, second] as const };
  };
  const statesOf = async (both: readonly TestCoupon[]) =>
    Promise.all(both.map(async (coupon) => (await rowOf(shops[0].db, coupon)).state));

  test.each([
    ["locked", LOCK, UNLOCK],
    ["used", use(100), REVERT],
  ])("is %s whole, also when that one is given back meanwhile", async (state, wish, undo) => {
    for (const has of [0, 1] as const) {
      const { templateId, both } = await makeTwo();
      const order = freshOrder();
      await ask(shops[0], wish, order, both[has]);
      const outcome = await changeMeanwhile(
        ...[shops[0], both],
        () => ask(shops[1], wish, order, ...both),
        (shop) => ask(shop, undo, order, ...both),
      );
      expect(outcome).toMatchObject({ kind: "done", coupons: [{ state }, { state }] });
      expect(await statesOf(both)).toEqual([state, state]);
      await assertConsistent(shops[0].db, templateId);
    }
  });

  test.each([
    ["locked", LOCK, UNLOCK],
    ["used", use(100), REVERT],
  ])("is given back whole, also when that one is %s meanwhile", async (_, wish, undo) => {
    const { templateId, both } = await makeTwo();
    const order = freshOrder();
    await ask(shops[0], wish, order, both[0]);
    const outcome = await changeMeanwhile(
      ...[shops[0], both],
      () => ask(shops[1], undo, order, ...both),
      (shop) => ask(shop, wish, order, ...both),
    );
    expect(word(outcome)).toBe("done");
    expect(await statesOf(both)).toEqual(["unused", "unused"]);
    await assertConsistent(shops[0].db, templateId);
  });

  test("is locked whole, also when that one's lock ends meanwhile", async () => {
    const { templateId, both } = await makeTwo();
    const order = freshOrder();
    await ask(shops[0], LOCK, order, both[0]);
    const outcome = await changeMeanwhile(
      ...[shops[0], both],
      () => ask(shops[1], LOCK, order, ...both),
      ({ db }) => letLockRunOut(db, both[0]),
    );
    expect(outcome).toMatchObject({ coupons: [{ state: "locked" }, { state: "locked" }] });
    await assertConsistent(shops[0].db, templateId);
  });

  test("ends whole or not at all when it is locked and unlocked at once", async () => {
    for (let round = 0; round < 30; round += 1) {
      const { templateId, both } = await makeTwo();
      const order = freshOrder();
      await ask(shops[0], LOCK, order, both[round % 2] as TestCoupon);
      const words = await askAll(shops, 6, (index) => [index % 3 ? LOCK : UNLOCK, order, ...both]);
      expect(words.every((one) => one === "done" || one === "repeated")).toBe(true);
      const [one, other] = await statesOf(both);
      expect(one).toBe(other as string);
      await assertConsistent(shops[0].db, templateId);
    }
  }, 60_000);
});
