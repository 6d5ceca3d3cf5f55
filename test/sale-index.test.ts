// What is asked of all sales there ever were reads those that it is about, and not the others.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { openPool, type PooledDatabase } from "../src/db/client.ts";
import { createLog } from "../src/log.ts";
import { saleNameKey } from "../src/sales/facts.ts";
import { sales } from "../src/sales/table.ts";
import { createSaleViews, type SaleState } from "../src/sales/views.ts";
import { createSaleWatch } from "../src/sales/watch.ts";
import { freshName } from "./harness/http.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";

const SALES = 5_000;
/** Of these only a handful; the others have opened and never end. */
const RARE = { paused: 11, upcoming: 12, ended: 13 };
const READS_MAX = 200;

/** A single connection, which counts what it reads. */
let db: PooledDatabase;
let past: Behind;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  past = await behind({ REDIS_URL: redis.url, DATABASE_URL: database.url });
  const pool = openPool(database.url, 1);
  stopLater(pool.close);
  db = pool.db;
  const hours = (count: number) => new Date(Date.now() + count * 3_600_000);
  const rows = Array.from({ length: SALES }, (_, place) => {
    const [name, kind] = [freshName("sale"), place % 1_000];
    return {
      ...{ sellerId: 1, templateId: 1, name, nameKey: saleNameKey(name), total: 1 },
      ...{ warmedAt: hours(-2), createdAt: hours(-2) },
      state: kind === RARE.paused ? "paused" : "open",
      opensAt: kind === RARE.upcoming ? hours(1 / 120) : hours(-1),
      closesAt: kind === RARE.ended ? hours(-0.5) : null,
    };
  });
  await db.insert(sales).values(rows);
  await db.execute(sql`ANALYZE TABLE ${sales}`);
});
afterAll(stopEverything);

/** How many rows and places in indexes `work` reads on this connection. */
async function readsOf(work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const [rows] = await db.execute(sql`SHOW SESSION STATUS LIKE 'Handler_read%'`);
    const values = (rows as unknown as { Value: string }[]).map(({ Value }) => Number(Value));
    return values.reduce((sum, value) => sum + value, 0);
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

test("the look at sales that open soon reads no others", async () => {
  const found: number[] = [];
  const log = createLog("silent");
  const onMissing = (saleId: number) => void found.push(saleId);
  const watch = createSaleWatch({ db, redis: past.redis, log, onMissing });
  expect(await readsOf(watch.look)).toBeLessThan(READS_MAX);
  expect(found).toHaveLength(SALES / 1_000);
});

test.each<SaleState>(["upcoming", "open", "ended", "paused"])(
  "a page of sales that are %s reads few others",
  async (state) => {
    const asked: (readonly number[])[] = [];
    const views = createSaleViews({
      db,
      records: {} as never,
      listed: {} as never,
      numbers: {
        read(ids: readonly number[]) {
          asked.push(ids);
          return Promise.reject(new Error("that is enough"));
        },
      } as never,
      clock: { now: Date.now },
    });
    const list = () => views.list({ state, count: 21 }).catch(() => undefined);
    expect(await readsOf(list)).toBeLessThan(READS_MAX);
    expect(asked.flat()).toHaveLength(state === "open" ? 21 : SALES / 1_000);
  },
);
