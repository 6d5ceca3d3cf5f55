// Pages of sales that no process has in memory: one reading of MySQL each, whatever is on them.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { limits } from "../src/limits.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { saleNameKey } from "../src/sales/facts.ts";
import { sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { type Link, linkTo } from "./harness/links.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;
let redis: Link;

beforeAll(async () => {
  const { settings } = await startStores();
  past = await behind(settings);
  redis = await linkTo(settings.REDIS_URL);
  api = await startApi({ ...settings, REDIS_URL: redis.url });
});
afterAll(stopEverything);

/** Puts so many sales of a seller into MySQL, past every cache, and waits until they are in Redis. */
async function coldSales(sellerId: number, count: number): Promise<number[]> {
  const rows = Array.from({ length: count }, () => {
    const name = freshName("sale");
    return { sellerId, templateId: 1, name, nameKey: saleNameKey(name), total: 10 };
  });
  const made = await past.db.insert(sales).values(rows).$returningId();
  const ids = made.map(({ id }) => id).toReversed();
  await until("all to be warm", async () => {
    const found = await Promise.all(ids.map((id) => past.redis.exists(saleKeys(id).sale)));
    return !found.includes(0);
  });
  return ids;
}

const page = (sellerId: number) =>
  v1(api.url, `GET /v1/sales?sellerId=${sellerId}&limit=${limits.pageItemsMax}`);

async function expectWhole(sellerId: number, ids: readonly number[], live: boolean): Promise<void> {
  const { status, body } = await page(sellerId);
  expect([status, body.nextCursor]).toEqual([200, null]);
  const found = body.items.map((sale: { id: number; live: boolean }) => [sale.id, sale.live]);
  expect(found).toEqual(ids.map((id) => [id, live]));
}

test("a page of a hundred cold sales is whole and live, and a change shows on it at once", async () => {
  const ids = await coldSales(7_001, limits.pageItemsMax);
  await expectWhole(7_001, ids, true);
  await expectWhole(7_001, ids, true);
  const [changed = 0] = ids;
  const name = freshName("renamed");
  await past.db.execute(sql`UPDATE ${sales} SET name = ${name} WHERE id = ${changed}`);
  await until("the new name", async () => (await page(7_001)).body.items[0].name === name);
});

test("so is one while Redis does not answer, by MySQL's numbers", async () => {
  const ids = await coldSales(7_002, limits.pageItemsMax);
  redis.proxy.cut();
  await expectWhole(7_002, ids, false);
  redis.proxy.heal();
});
