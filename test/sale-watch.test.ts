// Sales are in Redis before they open; what is about to open and is not there is told beforehand.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, inArray } from "drizzle-orm";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { saleNameKey } from "../src/sales/facts.ts";
import { sales } from "../src/sales/table.ts";
import { createSaleWatch } from "../src/sales/watch.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { newSale as rowOfSale } from "./harness/ledger.ts";
import { inMs, makeSale, mint } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let apis: TestApi[];
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  apis = [await startApi(settings), await startApi(settings)];
  past = await behind(settings);
});
afterAll(stopEverything);

test("a sale that opens later is in Redis already, and opens by itself on every process", async () => {
  const seller = await mint("seller");
  const saleId = await makeSale(apis[0]?.url ?? "", seller, { opensAt: inMs(2_500) });
  expect((await past.redis.hgetall(saleKeys(saleId).sale)).opens).toMatch(/^\d{13}$/);
  for (const { url } of apis) {
    await until("it to be open there", async () => {
      const { state } = (await (await fetch(`${url}/v1/sales/${saleId}`)).json()) as {
        state: string;
      };
      return state === "open";
    });
  }
});

test("one that was put into MySQL by hand is warm within a moment", async () => {
  const saleId = await rowOfSale(past.db, { opensAt: new Date(Date.now() + 3_600_000) });
  await until("it to be warm", async () => (await past.redis.exists(saleKeys(saleId).sale)) === 1);
});

test("of many that open at the same moment each is looked at", async () => {
  const watch = createSaleWatch({
    ...{ db: past.db, redis: past.redis, log: createLog("silent"), onMissing: () => undefined },
  });
  const soon = {
    ...{ sellerId: 1, templateId: 1, total: 1, warmedAt: new Date() },
    ...{ createdAt: new Date(Date.now() - 60_000), opensAt: new Date(Date.now() + 30_000) },
  };
  const rows = Array.from({ length: limits.warmSalesPerPass + 100 }, () => {
    const name = freshName("soon");
    return { ...soon, name, nameKey: saleNameKey(name) };
  });
  const ids = (await past.db.insert(sales).values(rows).$returningId()).map(({ id }) => id);
  await watch.look();
  expect(new Set(watch.notWarm())).toEqual(new Set(ids));
  await past.db.delete(sales).where(inArray(sales.id, ids));
});

test("one that opens soon and is not in Redis is an alarm, until it is there", async () => {
  const missing: number[] = [];
  const watch = createSaleWatch({
    ...{ db: past.db, redis: past.redis, log: createLog("silent") },
    onMissing: (saleId) => void missing.push(saleId),
  });
  const created = { createdAt: new Date(Date.now() - 60_000) };
  const soon = { ...created, opensAt: new Date(Date.now() + 30_000) };
  const [lost, later] = [
    await rowOfSale(past.db, { ...soon, warmedAt: new Date() }),
    await rowOfSale(past.db, { ...created, opensAt: new Date(Date.now() + 3_600_000) }),
  ];
  await watch.look();
  expect(watch.notWarm()).toContain(lost);
  expect(watch.notWarm()).not.toContain(later);
  expect(missing).toEqual([lost]);
  await until("the service to say so", async () => {
    const details = await (await fetch(`${apis[0]?.opsUrl}/readyz`)).text();
    return details.includes(`sale ${lost} opens soon and is not in Redis`);
  });
  const metrics = await (await fetch(`${apis[0]?.opsUrl}/metrics`)).text();
  expect(metrics).toMatch(/^doorbuster_sales_not_warm [1-9]/m);
  await past.db.delete(sales).where(eq(sales.id, lost));
  await watch.look();
  expect(watch.notWarm()).toEqual([]);
});
