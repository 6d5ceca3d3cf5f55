// What coupons one order may have, on a real MySQL: the rules about coupons together hold for all that it takes, in one
// call or in several, on one process or on two.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readCoupons } from "../src/coupons/row.ts";
import {
  ask,
  askAll,
  assertConsistent,
  freshNumber,
  freshOrder,
  holdCoupons,
  LOCK,
  letLockRunOut,
  makeCoupon,
  makeCoupons,
  makeTemplate,
  openShop,
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
import { untilSomebodyWaits } from "./harness/waits.ts";

let shops: [Shop, Shop];
let plain: number;

beforeAll(async () => {
  const { url } = await freshDatabase();
  shops = [openShop(url), openShop(url)];
  plain = await makeTemplate(shops[0].db);
});
afterAll(stopEverything);

type Fields = Parameters<typeof makeTemplate>[1];
const PERCENT = { type: "percent_off", faceValue: 0, basisPoints: 1_000 };
const OVER = { minimumSpend: 1_000 };
const GROUP = { stacking: "group", stackingGroup: "spring" };

/** The coupon of a template of its own, and its user's. */
const ofTemplate = async (userId: number, fields: Fields) =>
  makeCoupon(shops[0].db, await makeTemplate(shops[0].db, fields), { userId });
const asked = async (...request: Parameters<typeof ask> extends [Shop, ...infer R] ? R : never) =>
  word(await ask(shops[0], ...request));

describe("an order", () => {
  test("has at most five coupons, however many calls it takes them with", async () => {
    const [userId, order] = [freshNumber(), freshOrder()];
    const all = await makeCoupons(shops[0].db, plain, 7, { userId });
    const [first, second] = all as [TestCoupon, TestCoupon];
    expect(await asked(LOCK, order, first, second)).toBe("done");
    expect(await asked(use(1), order, first)).toBe("done");
    expect(await ask(shops[0], LOCK, order, ...all.slice(2, 6))).toEqual({
      kind: "not-together",
      violations: [
        {
          rule: "too_many",
          codes: all.slice(0, 6).map(({ code }) => code),
          detail: "At most 5 coupons can be used for one order; it would have 6.",
        },
      ],
    });
    expect(await asked(LOCK, order, ...all.slice(2, 5))).toBe("done");
    expect(await asked(LOCK, order, all[5] as TestCoupon)).toBe("not-together");
    expect(await asked(use(1), order, all[5] as TestCoupon)).toBe("not-together");
    expect(await asked(use(1), order, ...all.slice(1, 5))).toBe("done");
    expect(await asked(LOCK, order, ...all.slice(0, 5))).toBe("used");
    expect(await asked(LOCK, freshOrder(), all[5] as TestCoupon)).toBe("done");
    await assertConsistent(shops[0].db, plain);
  });

  const pairs: [rule: string, one: Fields, other: Fields][] = [
    ["exclusive", { stacking: "exclusive" }, {}],
    ["same_group", GROUP, GROUP],
    ["one_percent", PERCENT, PERCENT],
    ["one_threshold", OVER, OVER],
    ["percent_with_threshold", { ...PERCENT, ...GROUP }, OVER],
  ];
  test.each(pairs)("takes no two coupons that break %s, at once or in turn", async (...pair) => {
    const [rule, ...fields] = pair;
    const [userId, order] = [freshNumber(), freshOrder()];
    const [one, other] = [await ofTemplate(userId, fields[0]), await ofTemplate(userId, fields[1])];
    const codes = [one.code, other.code].sort();
    const refused = { kind: "not-together", violations: [{ rule, codes }] };
    expect(await ask(shops[0], LOCK, order, one, other)).toMatchObject(refused);
    expect(await asked(LOCK, order, one)).toBe("done");
    expect(await ask(shops[0], LOCK, order, other)).toMatchObject(refused);
    expect(await ask(shops[0], use(1), order, other)).toMatchObject(refused);
    expect(await asked(use(1), order, one)).toBe("done");
    expect(await ask(shops[0], LOCK, order, other)).toMatchObject(refused);
    expect(await asked(LOCK, freshOrder(), other)).toBe("done");
  });

  test("is not judged by what it gave back, by a lock that ran out, or by other orders", async () => {
    const [userId, order] = [freshNumber(), freshOrder()];
    const [alone, other] = [
      await ofTemplate(userId, { stacking: "exclusive" }),
      await ofTemplate(userId, {}),
    ];
    expect(await asked(LOCK, order, alone)).toBe("done");
    expect(await asked(UNLOCK, order, alone)).toBe("done");
    expect(await asked(LOCK, order, other)).toBe("done");
    await letLockRunOut(shops[0].db, other);
    expect(await asked(LOCK, order, alone)).toBe("done");
    expect(await asked(LOCK, order.toUpperCase(), other)).toBe("done");
    const somebody = await ofTemplate(freshNumber(), {});
    expect(await asked(LOCK, order, somebody)).toBe("done");
  });
});

// None of these users has a row in `users`: a token may be of somebody whom the database has never seen.
test("of ten coupons that an order takes at once on two processes it gets five", async () => {
  for (const wish of [LOCK, use(1)]) {
    const [userId, order] = [freshNumber(), freshOrder()];
    const all = await makeCoupons(shops[0].db, plain, 10, { userId });
    const words = await askAll(shops, 10, (index) => [wish, order, all[index] as TestCoupon]);
    expect(tally(words)).toEqual({ done: 5, "not-together": 5 });
  }
  await assertConsistent(shops[0].db, plain);
});

test("of ten coupons that exclude each other, locked at once for one order, one is locked", async () => {
  const { db } = shops[0];
  const alone = await makeTemplate(db, { stacking: "exclusive" });
  for (let round = 0; round < 5; round += 1) {
    const [userId, order] = [freshNumber(), freshOrder()];
    const all = await makeCoupons(db, alone, 10, { userId });
    const words = await askAll(shops, 10, (index) => [LOCK, order, all[index] as TestCoupon]);
    expect(tally(words)).toEqual({ done: 1, "not-together": 9 });
  }
  await assertConsistent(db, alone);
});

test("a new user's first coupons, locked at once, are each refused where there is no room", async () => {
  const { db } = shops[0];
  const poor = await makeTemplate(db, { budget: 0 });
  for (let round = 0; round < 3; round += 1) {
    const all = await makeCoupons(db, poor, 40, { userId: freshNumber() });
    const words = await askAll(shops, 40, (index) => [
      LOCK,
      freshOrder(),
      all[index] as TestCoupon,
    ]);
    expect(tally(words)).toEqual({ budget: 40 });
  }
});

test("a lock waits for a use that began before the end of the order's lock, and sees it", async () => {
  const { db } = shops[0];
  const [userId, order] = [freshNumber(), freshOrder()];
  const [alone, other] = [
    await ofTemplate(userId, { stacking: "exclusive" }),
    await ofTemplate(userId, {}),
  ];
  expect(await asked({ action: "lock", ttlSeconds: 1 }, order, alone)).toBe("done");
  let locked: Promise<string> | undefined;
  const used = await whileHeld(
    shops[0],
    (tx) => holdCoupons(tx, [alone]),
    () => ask(shops[1], use(1), order, alone),
    async () => {
      await until("the lock to run out", async () => {
        const [row] = await readCoupons(db, userId, [alone.code]);
        return row?.lapsed;
      });
      locked = asked(LOCK, order, other);
      await Promise.race([locked, untilSomebodyWaits(db, 2)]);
    },
  );
  expect(word(used)).toBe("done");
  expect(await locked).toBe("not-together");
});
