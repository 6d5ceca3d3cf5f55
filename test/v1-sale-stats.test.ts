// How a sale went, as its seller is told.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../src/clock.ts";
import { limits } from "../src/limits.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { RedisAway } from "../src/redis/reading.ts";
import { statsOf } from "../src/sales/stats.ts";
import { saleChanges } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { inMs, mint, type Someone, salesOf } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let api: TestApi;
let past: Behind;
let seller: Someone;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
  seller = await mint("seller");
});
afterAll(stopEverything);

const HOUR = 3_600_000;
const { of, sale, sell } = salesOf(() => ({ url: api.url, seller }));

test("stats tell how it went and who did what, and why", async () => {
  const id = await sale({ total: 3 });
  await sell(id, 3);
  await of(id, "PATCH ", { closesAt: inMs(HOUR) });
  const stats = await until("all recorded", async () => {
    const { body } = await of(id, "GET /stats");
    return body.recorded === 3 && body;
  });
  expect(stats).toMatchObject({ granted: 3, returned: 0, left: 0 });
  expect(stats.soldOutAt).toMatch(/Z$/);
  expect(stats.grantsPerSecond).toBeGreaterThan(0);
  const actor = `user:${seller.id}`;
  expect(stats.history).toMatchObject([
    { version: 1, action: "change", before: { closesAt: null }, actor },
    { version: 0, action: "create", after: { total: 3 }, actor },
  ]);
  await of(id, "POST /restock", { units: 1, reason: "one was found" });
  const { body } = await of(id, "GET /stats");
  expect([body.soldOutAt, body.left]).toEqual([null, 1]);
  expect(body.history[0]).toMatchObject({
    ...{ action: "restock", reason: "one was found", before: { total: 3 }, after: { total: 4 } },
  });
});

describe("stats say when a sale was sold out", () => {
  const statsWhen = (id: number, is: (stats: { recorded: number; soldOutAt: string }) => boolean) =>
    until("such stats", async () => {
      const { body } = await of(id, "GET /stats");
      return is(body) && body;
    });

  test("by a total that came down, too", async () => {
    const id = await sale();
    await sell(id, 3);
    await statsWhen(id, ({ recorded }) => recorded === 3);
    await of(id, "PATCH ", { total: 3 });
    const { soldOutAt, history } = await statsWhen(id, ({ soldOutAt: at }) => at !== null);
    expect(soldOutAt).toBe(history[0].at);
    await of(id, "PATCH ", { total: 4 });
    await sell(id, 1);
    const again = await statsWhen(id, ({ recorded }) => recorded === 4);
    expect(again.soldOutAt > again.history[0].at).toBe(true);
  });

  test("also when more has been done to it since than is shown", async () => {
    const id = await sale();
    await sell(id, 3);
    await statsWhen(id, ({ recorded }) => recorded === 3);
    await of(id, "PATCH ", { total: 3 });
    const { soldOutAt } = await statsWhen(id, ({ soldOutAt: at }) => at !== null);
    await past.db.insert(saleChanges).values(
      Array.from({ length: limits.saleHistoryShown }, (_, place) => ({
        ...{ saleId: id, version: 1_000 + place, action: "pause" as const, reason: "", actor: "" },
        ...({ before: { state: "open" }, after: { state: "paused" } } as const),
      })),
    );
    const { body } = await of(id, "GET /stats");
    expect(body.history.at(-1).version).toBe(1_000);
    expect(body.soldOutAt).toBe(soldOutAt);
  });

  test("not before MySQL has the last grant, and without Redis by what MySQL has", async () => {
    const id = await sale({ total: 3 });
    await sell(id, 3);
    const { soldOutAt } = await statsWhen(id, ({ recorded }) => recorded === 3);
    await past.redis.hset(saleKeys(id).sale, "recorded", 2);
    const behindhand = await statsWhen(id, ({ recorded }) => recorded === 2);
    await past.redis.hset(saleKeys(id).sale, "recorded", 3);
    expect([behindhand.left, behindhand.soldOutAt, behindhand.live]).toEqual([0, null, true]);
    const numbers = { read: () => Promise.reject(new RedisAway("a test")) } as never;
    const stored = await statsOf({ db: past.db, numbers, clock: systemClock }, id, undefined);
    expect(stored).toMatchObject({ granted: 3, left: 0, live: false });
    expect(stored?.soldOutAt?.toISOString()).toBe(soldOutAt);
  });
});
