// What templates count of their coupons, and what comes free again, on a real MySQL.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { expireOver, freeLapsed } from "../src/coupons/lapse.ts";
import { startSweep } from "../src/coupons/sweep.ts";
import { createLog } from "../src/log.ts";
import {
  ask,
  assertConsistent,
  budgetOf,
  freshNumber,
  freshOrder,
  historyOf,
  LOCK,
  letLockRunOut,
  makeTemplate,
  type OwnShop,
  openOwnShop,
  REVERT,
  rowOf,
  UNLOCK,
  use,
} from "./harness/coupons.ts";
import { stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let shop: OwnShop;

beforeAll(async () => {
  shop = await openOwnShop();
});
afterAll(stopEverything);

describe("the limit of a user", () => {
  test("counts locked and used coupons, and comes free by unlock, revert and the end of a lock", async () => {
    const limited = await makeTemplate(shop.db, { userLimit: 1 });
    const [userId, order, other] = [freshNumber(), freshOrder(), freshOrder()];
    const [first, second] = [
      await shop.make({ userId }, limited),
      await shop.make({ userId }, limited),
    ];
    const refused = async () => expect(await shop.asked(LOCK, other, second)).toBe("user-limit");
    const free = async () => {
      expect(await shop.asked(LOCK, other, second)).toBe("done");
      expect(await shop.asked(UNLOCK, other, second)).toBe("done");
    };
    await ask(shop, LOCK, order, first);
    await refused();
    await ask(shop, UNLOCK, order, first);
    await free();
    await ask(shop, use(500), order, first);
    await refused();
    await ask(shop, REVERT, order, first);
    await free();
    await ask(shop, LOCK, order, first);
    await letLockRunOut(shop.db, first);
    await free();
    expect(await historyOf(shop.db, first)).toContain(`lapse ${order}`);
    await assertConsistent(shop.db, limited);
  });
});

describe("a budget", () => {
  test("is set aside by a lock, spent by a use, and comes back by unlock, revert and the end of a lock", async () => {
    const limited = await makeTemplate(shop.db, { budget: 900 });
    const [order, other] = [freshOrder(), freshOrder()];
    const [first, second] = [await shop.make({}, limited), await shop.make({}, limited)];
    await ask(shop, LOCK, order, first);
    expect(await budgetOf(shop.db, limited)).toEqual([500, 0]);
    expect(await shop.asked(LOCK, other, second)).toBe("budget");
    expect(await shop.asked(use(401), other, second)).toBe("budget");
    await ask(shop, use(400), order, first);
    expect(await budgetOf(shop.db, limited)).toEqual([0, 400]);
    expect(await shop.asked(LOCK, other, second)).toBe("done");
    expect(await budgetOf(shop.db, limited)).toEqual([500, 400]);
    await letLockRunOut(shop.db, second);
    await ask(shop, REVERT, order, first);
    expect(await budgetOf(shop.db, limited)).toEqual([500, 0]);
    // The lock that ran out makes room for this one.
    expect(await shop.asked(LOCK, order, first)).toBe("done");
    expect(await budgetOf(shop.db, limited)).toEqual([500, 0]);
    expect(await historyOf(shop.db, second)).toContain(`lapse ${other}`);
    await ask(shop, UNLOCK, order, first);
    expect(await budgetOf(shop.db, limited)).toEqual([0, 0]);
    await assertConsistent(shop.db, limited);
  });

  test("is set aside up to the cap of a percentage", async () => {
    const percent = { type: "percent_off", faceValue: 0, basisPoints: 2_000, discountMax: 300 };
    const limited = await makeTemplate(shop.db, { ...percent, budget: 300 });
    const [coupon, order] = [await shop.make({}, limited), freshOrder()];
    await ask(shop, LOCK, order, coupon);
    expect(await budgetOf(shop.db, limited)).toEqual([300, 0]);
    await ask(shop, use(20, 100), order, coupon);
    expect(await budgetOf(shop.db, limited)).toEqual([0, 20]);
  });
});

describe("the sweep", () => {
  test("writes down locks that ran out and coupons whose time is over, and frees what they held", async () => {
    const limited = await makeTemplate(shop.db, { budget: 500, userLimit: 1 });
    const order = freshOrder();
    const [lapsed, over] = [
      await shop.make({}, limited),
      await shop.make({ expiresInMs: -1 }, limited),
    ];
    await ask(shop, LOCK, order, lapsed);
    await letLockRunOut(shop.db, lapsed);
    const stop = startSweep(shop.db, createLog("silent"));
    const states = async () =>
      `${(await rowOf(shop.db, lapsed)).state} ${(await rowOf(shop.db, over)).state}`;
    try {
      await until("the sweep", async () => (await states()) === "unused expired");
    } finally {
      await stop();
    }
    expect(await historyOf(shop.db, lapsed)).toEqual([`lock ${order}`, `lapse ${order}`]);
    expect(await historyOf(shop.db, over)).toEqual(["expire"]);
    expect(await budgetOf(shop.db, limited)).toEqual([0, 0]);
    await assertConsistent(shop.db, limited);
  });

  test("leaves alone what runs", async () => {
    const [locked, unused] = [await shop.make(), await shop.make({ expiresInMs: 1e6 })];
    await ask(shop, LOCK, freshOrder(), locked);
    await freeLapsed(shop.db);
    await expireOver(shop.db);
    expect((await rowOf(shop.db, locked)).state).toBe("locked");
    expect((await rowOf(shop.db, unused)).state).toBe("unused");
  });
});
