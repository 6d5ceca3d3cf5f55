// Processes that are late with a change of a sale which others have decided meanwhile: what was refused stays refused,
// and nobody takes another change for it.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import type { Redis } from "../src/redis/client.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { type ChangeRequest, createChanges } from "../src/sales/change/changes.ts";
import { newsThrough } from "../src/sales/news.ts";
import type { PendingChange } from "../src/sales/stored.ts";
import {
  outbox,
  type SaleAction,
  type SaleChange,
  saleChanges,
  sales,
} from "../src/sales/table.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers);
});
afterAll(stopEverything);

const changes = (redis: Redis = engine.redis) =>
  createChanges({
    db: engine.pool.db,
    redis,
    news: newsThrough(engine.redis),
    onUnfit: () => undefined,
  });

/** Changes by a process that stands still right before or right after its first call of the script. */
function slow(moment: "before" | "after") {
  const [at, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stand = () => {
    at.resolve();
    return go.promise;
  };
  const redis = {
    async evalsha(...call: Parameters<Redis["evalsha"]>) {
      if (moment === "before") await stand();
      const reply = await engine.redis.evalsha(...call);
      if (moment === "after") await stand();
      return reply;
    },
    unlink: (...keys: string[]) => engine.redis.unlink(...keys),
  } as unknown as Redis;
  return { ...changes(redis), stands: at.promise, goOn: () => go.resolve() };
}

const requestOf = (saleId: number, action: SaleAction, change: SaleChange): ChangeRequest => ({
  ...{ saleId, action, reason: "", actor: "test", requestKey: null, edit: () => change },
});
const deleting = (saleId: number) => requestOf(saleId, "delete", { state: "deleted" });
const pausing = (saleId: number) => requestOf(saleId, "pause", { state: "paused" });

async function pendingOf(saleId: number) {
  const [row] = await engine.pool.db.select().from(outbox).where(eq(outbox.saleId, saleId));
  return row;
}

/** Both stores have the sale, in this state, with its three grants. */
async function expectAlive(saleId: number, state: string): Promise<void> {
  const { db } = engine.pool;
  const [row] = await db.select().from(sales).where(eq(sales.id, saleId));
  expect(row).toMatchObject({ state, granted: 3 });
  const { version, change } = await engine.counters(saleId);
  expect([version, change]).toEqual([String(row?.version), row?.changeId ?? undefined]);
  expect(await engine.counters(saleId)).toMatchObject({ state, granted: "3" });
  expect(await engine.redis.hlen(saleKeys(saleId).winners)).toBe(3);
  expect(await pendingOf(saleId)).toBeUndefined();
}

async function sell(saleId: number): Promise<void> {
  const won = await until("three winners", async () => {
    const some = await crowd(engine, saleId, [1, 3]);
    return some.length === 3 ? some : undefined;
  });
  await untilRows(engine, saleId, won);
}

test.each([
  ["while the next change is half-made", true],
  ["once the next change is made", false],
])(
  "a deletion that comes late, %s, leaves a sale alone that has sold",
  async (_, overlaps) => {
    const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 2_000) });
    const [first, second] = [slow("before"), slow("after")];
    const deleted = first.change(deleting(saleId));
    await first.stands;
    await sell(saleId);
    // What stands in the outbox is finished first, and refused; only the pause itself stands still.
    const standing = await pendingOf(saleId);
    if (!standing) throw new Error("the deletion does not stand in the outbox");
    expect(await changes().finish(standing)).toEqual({ kind: "opened" });
    const paused = second.change(pausing(saleId));
    await second.stands;
    if (!overlaps) {
      second.goOn();
      expect(await paused).toEqual({ kind: "done" });
    }
    first.goOn();
    expect(await deleted).toEqual({ kind: "opened" });
    second.goOn();
    expect(await paused).toEqual({ kind: "done" });
    await expectAlive(saleId, "paused");
    const history = await engine.pool.db
      .select({ action: saleChanges.action })
      .from(saleChanges)
      .where(eq(saleChanges.saleId, saleId));
    expect(history).toEqual([{ action: "pause" }]);
  },
  60_000,
);

test("a deletion that a recovery refused stays refused for who is late with it", async () => {
  const { db } = engine.pool;
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  const dead = slow("before");
  void dead.change(deleting(saleId)).catch(() => {});
  await dead.stands;
  const standing = await pendingOf(saleId);
  if (!standing) throw new Error("the deletion does not stand in the outbox");
  const { gate, sale } = saleKeys(saleId);
  const epoch = Number(await engine.redis.hget(gate, "epoch"));
  await engine.redis.del(sale);
  const warmedAt = sql`${sales.warmedAt} - INTERVAL 1 HOUR`;
  await db.update(sales).set({ warmedAt }).where(eq(sales.id, saleId));
  engine.thread.missing(saleId, epoch);
  await until("the gate", () => (engine.gates.at(shardOf(saleId))?.epoch ?? 0) > epoch);
  const copy = await engine.counters(saleId);
  expect(copy).toMatchObject({ state: "open", version: "1" });
  // A finisher has read it before the recovery.
  expect(await changes().finish(standing)).toEqual({ kind: "superseded" });
  dead.goOn();
  expect(await engine.counters(saleId)).toEqual(copy);
  const [row] = await db.select().from(sales).where(eq(sales.id, saleId));
  expect(row).toMatchObject({ state: "open", version: 1, changeId: null });
}, 60_000);

test("of two who come to a change that is refused, both are told why", async () => {
  const saleId = await engine.sale(10);
  await sell(saleId);
  const late = slow("before");
  const first = late.change(requestOf(saleId, "change", { total: 2 }));
  await late.stands;
  const below = { kind: "below_granted", active: 3 } as const;
  // The second one finds the first one's change, which is decided before its own.
  const second = changes().change(requestOf(saleId, "change", { total: 1 }));
  expect(await second).toEqual(below);
  late.goOn();
  expect(await first).toEqual(below);
  expect(await engine.counters(saleId)).toMatchObject({ total: "10", version: "2" });
});

test("a change that was made is not told as refused to who is late with it, whatever has come since", async () => {
  const saleId = await engine.sale(10);
  const late = slow("before");
  const first = late.change(requestOf(saleId, "change", { total: 2 }));
  await late.stands;
  const raised = changes().change(requestOf(saleId, "change", { total: 10 }));
  expect(await raised).toEqual({ kind: "done" });
  await sell(saleId);
  late.goOn();
  expect(await first).toEqual({ kind: "done" });
  await expectAlive(saleId, "open");
});

test("a change that Redis loses right after its reply is made again, and not in MySQL alone", async () => {
  const saleId = await engine.sale(10);
  await sell(saleId);
  const shard = shardOf(saleId);
  const before = await engine.counters(saleId);
  const late = slow("after");
  const lowered = late.change(requestOf(saleId, "change", { total: 5 }));
  await late.stands;
  expect((await engine.counters(saleId)).total).toBe("5");
  // What a replica has that is promoted before the change came to it: no scripts, and the sale as it was.
  const { sale } = saleKeys(saleId);
  await engine.redis.multi().del(sale).hset(sale, before).script("FLUSH").exec();
  const gate = engine.gates.at(shard);
  if (!gate) throw new Error("the gate is closed");
  engine.gates.close(shard, gate, "the scripts are gone");
  await until("a recovery", () => (engine.gates.at(shard)?.epoch ?? 0) > gate.epoch);
  late.goOn();
  expect(await lowered).toEqual({ kind: "later" });
  const [row] = await engine.pool.db.select().from(sales).where(eq(sales.id, saleId));
  expect([row?.total, (await engine.counters(saleId)).total]).toEqual([10, "10"]);
  const standing = await pendingOf(saleId);
  if (!standing) throw new Error("it does not stand in the outbox");
  expect(await changes().finish(standing)).toEqual({ kind: "done" });
  await expectAlive(saleId, "open");
  expect((await engine.counters(saleId)).total).toBe("5");
});

test("a lowered total that was refused stays refused when it would fit", async () => {
  const saleId = await engine.sale(10);
  await sell(saleId);
  const late = slow("before");
  const lowered = late.change(requestOf(saleId, "change", { total: 2 }));
  await late.stands;
  const standing = await pendingOf(saleId);
  if (!standing) throw new Error("it does not stand in the outbox");
  expect(await changes().finish(standing)).toEqual({ kind: "below_granted", active: 3 });
  await engine.redis.hset(saleKeys(saleId).sale, "returned", 1);
  late.goOn();
  expect(await lowered).toEqual({ kind: "superseded" });
  await engine.redis.hset(saleKeys(saleId).sale, "returned", 0);
  await expectAlive(saleId, "open");
  expect((await engine.counters(saleId)).total).toBe("10");
});

test("a sale that Redis lacks and scripts that it has forgotten are told of", async () => {
  const saleId = await engine.sale(10);
  const told: string[] = [];
  const telling = (redis: Redis) =>
    createChanges({
      ...{ db: engine.pool.db, redis, news: newsThrough(engine.redis) },
      onUnfit: () => undefined,
      onMissing: (id) => told.push(`missing ${id}`),
      gates: {
        at: (shard) => engine.gates.at(shard),
        notice: (shard, _, error) => told.push(`${shard} ${(error as Error).message}`),
      },
    });
  const forgetful = { evalsha: () => Promise.reject(new Error("NOSCRIPT")) } as unknown as Redis;
  await expect(telling(forgetful).change(pausing(saleId))).rejects.toThrow("NOSCRIPT");
  const lacking = { evalsha: () => Promise.resolve("missing") } as unknown as Redis;
  expect(await telling(lacking).change(pausing(saleId))).toEqual({ kind: "busy" });
  expect(told).toEqual([`${shardOf(saleId)} NOSCRIPT`, `missing ${saleId}`]);
  expect(await changes().change(pausing(saleId))).toEqual({ kind: "done" });
});

test("a deletion is told of, also where Redis does not forget the sale then", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  const told: string[] = [];
  const forgetting = createChanges({
    db: engine.pool.db,
    redis: {
      evalsha: (...call: Parameters<Redis["evalsha"]>) => engine.redis.evalsha(...call),
      unlink: () => Promise.reject(new Error("it timed out")),
    } as unknown as Redis,
    news: {
      changed: async (id) => void told.push(`changed ${id}`),
      relisted: async ({ id }) => void told.push(`relisted ${id}`),
    },
    onUnfit: () => undefined,
  });
  await expect(forgetting.change(deleting(saleId))).rejects.toThrow("it timed out");
  expect(told).toEqual([`changed ${saleId}`, `relisted ${saleId}`]);
  expect(await changes().change(deleting(saleId))).toEqual({ kind: "unknown" });
  const standing = (await pendingOf(saleId)) as PendingChange;
  expect(await changes().finish(standing)).toEqual({ kind: "done" });
  expect(await engine.redis.exists(saleKeys(saleId).sale)).toBe(0);
});

test("of many that wait, those of open shards come, the oldest first, and not those that are done", async () => {
  const ids: number[] = [];
  for (let i = 0; i < 3; i += 1) ids.push(await engine.sale(10));
  const dead = slow("before");
  for (const [place, saleId] of ids.entries()) {
    void dead.change(pausing(saleId)).catch(() => {});
    await until("it in the outbox", () => pendingOf(saleId));
    const createdAt = sql`UTC_TIMESTAMP(3) - INTERVAL ${60 + place * 60} SECOND`;
    await engine.pool.db.update(outbox).set({ createdAt }).where(eq(outbox.saleId, saleId));
  }
  const shards = ids.map(shardOf);
  const idsOf = async (open: number[]) =>
    (await changes().waiting(open)).map(({ saleId }) => saleId);
  expect(await idsOf(shards)).toEqual(ids.toReversed());
  expect(await idsOf(shards.slice(1))).toEqual(ids.slice(1).toReversed());
  for (const pending of await changes().waiting(shards)) {
    expect(await changes().stands(pending)).toBe(true);
    expect(await changes().finish(pending)).toEqual({ kind: "done" });
    expect(await changes().stands(pending)).toBe(false);
  }
  dead.goOn();
});
