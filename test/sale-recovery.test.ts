// Half-made changes of sales, as a recovery meets them: what Redis has lost is decided anew, once, and both stores
// agree afterwards.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import type { Redis } from "../src/redis/client.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { type ChangeRequest, type Changes, createChanges } from "../src/sales/change/changes.ts";
import { pauseSale } from "../src/sales/change/pause.ts";
import { newsThrough } from "../src/sales/news.ts";
import { outbox, type SaleAction, type SaleChange, sales } from "../src/sales/table.ts";
import { runCli } from "./harness/cli.ts";
import { crowd, type Engine, latestRecovery, startEngine, untilRows } from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;
let servers: { redisUrl: string; databaseUrl: string };

beforeAll(async () => {
  ({ servers } = await startStores());
  // The audit would pause what these tests lose.
  engine = await startEngine(servers);
});
afterAll(stopEverything);

type Moment = "before" | "after";

class Died extends Error {}

/** Changes by a process that dies right before or right after its call of the script. */
const mortal = (moment: Moment): Changes =>
  createChanges({
    db: engine.pool.db,
    redis: {
      async evalsha(...call: Parameters<Redis["evalsha"]>) {
        if (moment === "after") await engine.redis.evalsha(...call);
        throw new Died();
      },
    } as unknown as Redis,
    news: newsThrough(engine.redis),
    onUnfit: () => undefined,
  });

const living = (): Changes =>
  createChanges({
    ...{ db: engine.pool.db, redis: engine.redis },
    news: newsThrough(engine.redis),
    onUnfit: () => undefined,
  });

const requestOf = (
  saleId: number,
  action: SaleAction,
  change: SaleChange,
  rest: Partial<ChangeRequest> = {},
): ChangeRequest => ({
  ...{ saleId, action, reason: "", actor: "test", requestKey: null, edit: () => change },
  ...rest,
});

async function halfMake(moment: Moment, request: ChangeRequest): Promise<void> {
  await expect(mortal(moment).change(request)).rejects.toBeInstanceOf(Died);
  expect(await pendingOf(request.saleId)).toBeDefined();
}

async function pendingOf(saleId: number) {
  const [row] = await engine.pool.db.select().from(outbox).where(eq(outbox.saleId, saleId));
  return row;
}

/** A sale of ten with three winners, which MySQL has. */
async function soldSale(): Promise<number> {
  const saleId = await engine.sale(10);
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, 3]));
  return saleId;
}

const epochOf = async (saleId: number) =>
  Number(await engine.redis.hget(saleKeys(saleId).gate, "epoch"));

/** Redis loses the sale, and the shard recovers. */
async function loseAndRecover(saleId: number): Promise<void> {
  const epoch = await epochOf(saleId);
  await engine.redis.del(saleKeys(saleId).sale);
  // A sale that was warmed a moment ago may be on its way to Redis.
  await engine.pool.db
    .update(sales)
    .set({ warmedAt: sql`${sales.warmedAt} - INTERVAL 1 HOUR` })
    .where(eq(sales.id, saleId));
  engine.thread.missing(saleId, epoch);
  await until("a recovery", async () => (await epochOf(saleId)) > epoch);
  await until("the gate", () => (engine.gates.at(shardOf(saleId))?.epoch ?? 0) > epoch);
}

/** The shard recovers, and Redis has lost nothing but the scripts. */
async function recoverForNothing(saleId: number): Promise<void> {
  const epoch = await epochOf(saleId);
  await engine.redis.script("FLUSH");
  const gate = engine.gates.at(shardOf(saleId)) ?? never();
  engine.gates.close(shardOf(saleId), gate, "the scripts are gone");
  await until("a recovery", () => (engine.gates.at(shardOf(saleId))?.epoch ?? 0) > epoch);
}

const BOTH = ["total", "state", "limit", "version", "change"] as const;

/** What both stores say; fails unless it is the same. */
async function agreed(saleId: number) {
  const [row] = await engine.pool.db.select().from(sales).where(eq(sales.id, saleId));
  const hash = await engine.counters(saleId);
  const { total, state, userLimit, version, changeId } = row ?? {};
  const inMysql = { total, state, limit: userLimit, version, change: changeId ?? "none" };
  const absent: Record<string, string> = { version: "0", change: "none" };
  const inRedis = Object.fromEntries(BOTH.map((name) => [name, { ...absent, ...hash }[name]]));
  expect(inRedis).toEqual(Object.fromEntries(BOTH.map((name) => [name, String(inMysql[name])])));
  expect([hash.granted, await engine.redis.hlen(saleKeys(saleId).winners)]).toEqual(["3", 3]);
  expect(await pendingOf(saleId)).toBeUndefined();
  return inMysql;
}

test.each(["before", "after"] as const)(
  "a change that was half-made %s Redis had it is made in the rebuilt sale",
  async (moment) => {
    const cases: [SaleAction, SaleChange, object][] = [
      ["restock", { total: 20 }, { total: 20, version: 1 }],
      ["change", { total: 3 }, { total: 3, version: 1 }],
      ["pause", { state: "paused" }, { state: "paused", version: 1 }],
    ];
    for (const [action, change, expected] of cases) {
      const saleId = await soldSale();
      await halfMake(moment, requestOf(saleId, action, change));
      await loseAndRecover(saleId);
      expect(await agreed(saleId)).toMatchObject(expected);
    }
  },
  60_000,
);

test("a total below what is held is not taken over into the rebuilt sale", async () => {
  const saleId = await soldSale();
  await halfMake("before", requestOf(saleId, "change", { total: 2 }));
  await loseAndRecover(saleId);
  expect(await agreed(saleId)).toMatchObject({ total: 10, version: 1 });
});

test("a sale that opened before its half-made change came to Redis stays as it was, in both stores", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_000) });
  await halfMake("before", requestOf(saleId, "change", { total: 20, userLimit: 2 }));
  const confirmed = await until("it to open", async () => {
    const won = await crowd(engine, saleId, [1, 3]);
    return won.length === 3 ? won : undefined;
  });
  await untilRows(engine, saleId, confirmed);
  await loseAndRecover(saleId);
  expect(await agreed(saleId)).toMatchObject({ total: 10, limit: 1, version: 1 });
});

test("a sale that somebody has won from keeps its template, whatever MySQL's clock says of its opening", async () => {
  const saleId = await soldSale();
  await halfMake("before", requestOf(saleId, "change", { templateId: 77, state: "paused" }));
  const opensAt = new Date(Date.now() + 3_600_000);
  await engine.pool.db.update(sales).set({ opensAt }).where(eq(sales.id, saleId));
  await loseAndRecover(saleId);
  expect(await agreed(saleId)).toMatchObject({ total: 10, state: "open", version: 1 });
  const [row] = await engine.pool.db.select().from(sales).where(eq(sales.id, saleId));
  expect(row?.templateId).toBe(1);
});

test("a sale that nobody has yet gets its template in a recovery, and goes on afterwards", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  await halfMake("after", requestOf(saleId, "change", { templateId: 77, state: "paused" }));
  await loseAndRecover(saleId);
  expect((await engine.counters(saleId)).state).toBe("paused");
  expect(await living().finish((await pendingOf(saleId)) ?? never())).toEqual({ kind: "done" });
  const [row] = await engine.pool.db.select().from(sales).where(eq(sales.id, saleId));
  expect(row).toMatchObject({ templateId: 77, state: "open", version: 2 });
  expect(await engine.counters(saleId)).toMatchObject({ state: "open", version: "2" });
});

test("a deletion that was half-made is forgotten with the sale that Redis lost", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  await halfMake("after", requestOf(saleId, "delete", { state: "deleted" }));
  expect((await engine.counters(saleId)).state).toBe("deleted");
  await loseAndRecover(saleId);
  expect((await engine.counters(saleId)).state).toBe("open");
  expect(await pendingOf(saleId)).toBeUndefined();
});

test("a pause for what was found before a recovery pauses neither store after it", async () => {
  const saleId = await soldSale();
  const pause = { state: "paused" } as const;
  const epoch = await epochOf(saleId);
  await halfMake("before", requestOf(saleId, "pause", pause, { epoch }));
  await loseAndRecover(saleId);
  expect(await agreed(saleId)).toMatchObject({ state: "open", version: 1 });
  const deps = { redis: engine.redis, db: engine.pool.db, onUnfit: () => undefined };
  expect(await pauseSale(deps, saleId, epoch)).toBe("fenced");
  expect(await agreed(saleId)).toMatchObject({ state: "open", version: 2 });
});

test("a pause that Redis had before a recovery that lost nothing comes to both stores", async () => {
  const saleId = await soldSale();
  const epoch = await epochOf(saleId);
  await halfMake("after", requestOf(saleId, "pause", { state: "paused" }, { epoch }));
  await recoverForNothing(saleId);
  const pending = await pendingOf(saleId);
  if (!pending) throw new Error("it is not half-made any more");
  expect(await living().finish(pending)).toEqual({ kind: "done" });
  expect(await agreed(saleId)).toMatchObject({ state: "paused", version: 1 });
});

test.each(["before", "after"] as const)(
  "a half-made change, %s Redis had it, is no damage to a recovery, and the audit finds nothing",
  async (moment) => {
    const saleId = await soldSale();
    await halfMake(moment, requestOf(saleId, "change", { total: 5, state: "paused" }));
    const first = await runCli(servers, "audit", "--sale", String(saleId));
    expect([first.code, first.output]).toEqual([0, expect.any(String)]);
    await recoverForNothing(saleId);
    expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 0 });
    const pending = await pendingOf(saleId);
    expect(await living().finish(pending ?? never())).toEqual({ kind: "done" });
    expect(await agreed(saleId)).toMatchObject({ total: 5, state: "paused", version: 1 });
  },
  60_000,
);

test("finished many times at once, a change is made once", async () => {
  const saleId = await soldSale();
  await halfMake("before", requestOf(saleId, "restock", { total: 20 }));
  const pending = (await pendingOf(saleId)) ?? never();
  const outcomes = await Promise.all(Array.from({ length: 6 }, () => living().finish(pending)));
  expect(outcomes).toEqual(Array(6).fill({ kind: "done" }));
  expect(await agreed(saleId)).toMatchObject({ total: 20, version: 1 });
});

test("MySQL has a raised total and an opened sale before Redis, a lowered total and a pause after it", async () => {
  const totalAndState = async (change: SaleChange, state?: "paused") => {
    const saleId = await soldSale();
    if (state) await living().change(requestOf(saleId, "pause", { state }));
    await halfMake("before", requestOf(saleId, "change", change));
    const [row] = await engine.pool.db.select().from(sales).where(eq(sales.id, saleId));
    return [row?.total, row?.state];
  };
  expect(await totalAndState({ total: 20 })).toEqual([20, "open"]);
  expect(await totalAndState({ state: "open" }, "paused")).toEqual([10, "open"]);
  expect(await totalAndState({ total: 5 })).toEqual([10, "open"]);
  expect(await totalAndState({ state: "paused" })).toEqual([10, "open"]);
});

test("twice with one key, a restock adds once", async () => {
  const saleId = await soldSale();
  const edit = ({ total }: { total: number }) => ({ total: total + 5 });
  const requestKey = crypto.randomUUID();
  const restock = requestOf(saleId, "restock", {}, { edit, requestKey });
  await halfMake("after", restock);
  for (let round = 0; round < 3; round += 1)
    expect(await living().change(restock)).toEqual({ kind: "done" });
  expect(await agreed(saleId)).toMatchObject({ total: 15, version: 1 });
});

test("somebody else's half-made change is finished before the next one", async () => {
  const saleId = await soldSale();
  await halfMake("before", requestOf(saleId, "restock", { total: 20 }));
  const edit = ({ total }: { total: number }) => ({ total: total + 5 });
  const outcome = await living().change(requestOf(saleId, "restock", {}, { edit }));
  expect(outcome).toEqual({ kind: "done" });
  expect(await agreed(saleId)).toMatchObject({ total: 25, version: 2 });
});

function never(): never {
  throw new Error("there is none");
}
