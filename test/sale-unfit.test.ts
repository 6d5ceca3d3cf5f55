// Changes in the outbox that cannot be made, as somebody may have put there by hand: they go, and the sale and its
// shard go on.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { saleKeys } from "../src/redis/keys.ts";
import { outbox, type SaleChange, sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { runCli } from "./harness/cli.ts";
import { latestRecovery, startEngine } from "./harness/engine.ts";
import { mint, type Someone, salesOf } from "./harness/sellers.ts";
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
/** A year that DATETIME does not have, and a number that is no time. */
const UNFIT = [Date.UTC(12_000, 0), 1e17];

const { of, sale, grab } = salesOf(() => ({ url: api.url, seller }));
const hash = (id: number) => past.redis.hgetall(saleKeys(id).sale);
const isWaiting = async (id: number) =>
  (await past.db.select().from(outbox).where(eq(outbox.saleId, id))).length > 0;

/** Puts a change into the outbox; nobody's pass comes to it before `createdAt`. */
const putByHand = (saleId: number, change: SaleChange, createdAt = new Date(), db = past.db) =>
  db.insert(outbox).values({
    ...{ saleId, changeId: crypto.randomUUID(), version: 1, action: "change", change, createdAt },
    ...{ before: { closesAt: null, total: 10 }, reason: "", actor: "somebody" },
  });

/** Both stores agree, sell, and take the next change. */
async function expectSound(id: number, total: number): Promise<void> {
  await until("a grant", async () => (await grab(id)) === "won");
  expect(await isWaiting(id)).toBe(false);
  const [row] = await past.db.select().from(sales).where(eq(sales.id, id));
  expect(row).toMatchObject({ total, closesAt: null, version: 1 });
  const { closes, version, total: inRedis } = await hash(id);
  expect([closes, version, inRedis]).toEqual([undefined, "1", String(total)]);
  expect((await of(id, "PATCH ", { total: 30 })).body.total).toBe(30);
}

test.each(UNFIT)(
  "what MySQL cannot hold leaves both stores alike: closing at %d",
  async (closesAt) => {
    const id = await sale();
    await putByHand(id, { closesAt, total: 20 });
    // MySQL has a greater total first, and keeps it: Redis may sell by it.
    await past.db.update(sales).set({ total: 20 }).where(eq(sales.id, id));
    await until("Redis to have it", async () => (await hash(id)).total === "20");
    await until("Redis to be as MySQL", async () => (await hash(id)).closes === undefined);
    await expectSound(id, 20);
    expect(api.output()).toContain("a change that MySQL cannot hold is dropped");
  },
);

test.each(UNFIT)("and keeps no shard that recovers: closing at %d", async (closesAt) => {
  const id = await sale();
  await putByHand(id, { closesAt }, new Date(Date.now() + HOUR));
  // A sale that was warmed a moment ago may be on its way to Redis.
  const warmedAt = sql`${sales.warmedAt} - INTERVAL 1 HOUR`;
  await past.db.update(sales).set({ warmedAt }).where(eq(sales.id, id));
  await past.redis.del(saleKeys(id).sale);
  await expectSound(id, 10);
});

test("a change of a sale that somebody has deleted by hand is forgotten", async () => {
  const id = await sale();
  await putByHand(id, { total: 20 });
  await past.db.delete(sales).where(eq(sales.id, id));
  await until("an empty outbox", async () => !(await isWaiting(id)));
});

describe("where nobody looks after the outbox, what MySQL cannot hold is met first", () => {
  const closesAt = UNFIT[1] as number;

  /** A sale that waits with such a change, on stores of its own. */
  async function unfitSale() {
    const { servers } = await startStores();
    const engine = await startEngine(servers, { auditMs: 100 });
    const id = await engine.sale(10);
    await putByHand(id, { closesAt }, new Date(), engine.pool.db);
    return { servers, engine, id };
  }

  test("by a pause of the audit, and the shard is recovered", async () => {
    const { engine, id } = await unfitSale();
    await engine.redis.hset(saleKeys(id).sale, "total", "5000");
    await until("a recovery for it", async () => {
      const { reason = "" } = (await latestRecovery(engine, id)) ?? {};
      return reason.includes(`sale ${id} has had a change that MySQL cannot hold`);
    });
    const { total, closes } = await engine.counters(id);
    expect([total, closes]).toEqual(["10", undefined]);
  });

  test("by the command that resumes, which says so, and the shard is recovered", async () => {
    const { servers, engine, id } = await unfitSale();
    const { output } = await runCli(servers, "resume", "--sale", String(id));
    expect(output).toContain(`Sale ${id}: MySQL cannot hold a change of it (change {"closesAt"`);
    expect((await engine.grabSurely(id, 1)).kind).toBe("granted");
    expect((await latestRecovery(engine, id))?.reason).toContain(`sale ${id} `);
    const { state, closes } = await engine.counters(id);
    expect([state, closes]).toEqual(["open", undefined]);
  });
});
