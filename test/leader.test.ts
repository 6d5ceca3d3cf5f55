// The leader of a recovery that is stopped, superseded, or not alone: whatever it does later changes nothing.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openPool } from "../src/db/client.ts";
import type { RedisServer } from "../src/embedded/redis.ts";
import type { LedgerContext } from "../src/ledger/context.ts";
import { ShardWriter } from "../src/ledger/shard.ts";
import { processes, recoveries, shards, witnesses } from "../src/ledger/table.ts";
import { recover } from "../src/recovery/recover.ts";
import { WitnessStand } from "../src/recovery/witness.ts";
import { saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { ledgerContext, newSale, rowsOf, shardRow } from "./harness/ledger.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let server: RedisServer;
let servers: { redisUrl: string; databaseUrl: string };
let db: ReturnType<typeof openPool>["db"];
let shard = 0;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  server = redis;
  servers = { redisUrl: redis.url, databaseUrl: database.url };
  const pool = openPool(database.url, 4);
  stopLater(() => pool.close());
  db = pool.db;
});
afterAll(stopEverything);

/** Leads a recovery of the test's shard, unless somebody else does. */
const lead = (context: LedgerContext, adoptable = false) =>
  recover(context, new WitnessStand(context), {
    ...{ shard, reason: "test", adoptable: () => Promise.resolve(adoptable) },
  });

/** A leader that stands still before it asks Redis for what dead leaders have left, in the middle of its recovery. */
async function stuckLeader(name: string) {
  const { promise: wait, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: stuck, resolve: isStuck } = Promise.withResolvers<void>();
  const context = await ledgerContext(servers, name);
  const redis = new Proxy(context.redis, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== "function") return value;
      if (property !== "smembers") return value.bind(target);
      return async (...keys: [string]) => {
        isStuck();
        await wait;
        return target.smembers(...keys);
      };
    },
  });
  const outcome = lead({ ...context, redis }).catch((error: unknown) => error);
  await stuck;
  return { context, outcome, goOn };
}

const gate = async (context: LedgerContext) => context.redis.hgetall(shardKeys(shard).gate);

describe("one leader", () => {
  test("recovers a shard that was never used, and opens its gate", async () => {
    shard = 1;
    const context = await ledgerContext(servers, "first");
    expect(await lead(context)).toBe("recovered");
    expect(await gate(context)).toEqual({ epoch: "1", state: "open", opened: "1", restored: "1" });
    const row = await shardRow(db, shard);
    expect(row).toMatchObject({ epoch: 1, leaseOwner: null, connectionId: null });
    expect(row.incarnation).toMatch(/^[0-9a-f]{16}$/);
  });

  test("does nothing when somebody has finished in the meantime", async () => {
    shard = 2;
    const context = await ledgerContext(servers, "late");
    expect(await lead(context, true)).toBe("adopted");
    expect((await shardRow(db, shard)).epoch).toBe(0);
  });

  test("goes beyond the epoch at the gate when MySQL knows an older one", async () => {
    shard = 3;
    const context = await ledgerContext(servers, "leader");
    await context.redis.hset(shardKeys(shard).gate, { epoch: "41", state: "open" });
    expect(await lead(context)).toBe("recovered");
    expect(await gate(context)).toEqual({
      epoch: "42",
      state: "open",
      opened: "42",
      restored: "42",
    });
    expect((await shardRow(db, shard)).epoch).toBe(42);
  });

  test("keeps others out while it leads", async () => {
    shard = 4;
    const leader = await stuckLeader("leader");
    const other = await ledgerContext(servers, "other");
    expect(await lead(other)).toBe("led_elsewhere");
    expect(await gate(other)).toEqual({ epoch: "1", state: "closed" });
    leader.goOn();
    expect(await leader.outcome).toBe("recovered");
    expect(await gate(other)).toEqual({ epoch: "1", state: "open", opened: "1", restored: "1" });
  });
});

test("a writer that lets go leaves the lease to a recovery that its own process leads", async () => {
  shard = 13;
  await db.update(shards).set({ incarnation: "x" }).where(eq(shards.shard, shard));
  const writer = new ShardWriter(await ledgerContext(servers, "both"), shard, {
    ...{ onFence() {}, onLoss() {} },
  });
  expect(await writer.claim()).toBe(true);
  const leader = await stuckLeader("both");
  await writer.release();
  expect((await shardRow(db, shard)).leaseOwner).toBe("both");
  leader.goOn();
  expect(await leader.outcome).toBe("recovered");
});

describe("a leader that stands still", () => {
  test("is ended after a silence; the next one recovers, and the old one changes nothing", async () => {
    shard = 5;
    const old = await stuckLeader("old leader");
    const next = await ledgerContext(servers, "next leader");
    expect(await lead(next)).toBe("led_elsewhere");
    await until("the next leader", async () => (await lead(next)) === "recovered");
    const before = { row: await shardRow(db, shard), gate: await gate(next) };
    old.goOn();
    expect(await old.outcome).toBeInstanceOf(Error);
    expect({ row: await shardRow(db, shard), gate: await gate(next) }).toEqual(before);
    expect(before.gate).toEqual({ epoch: "2", state: "open", opened: "2", restored: "2" });
  });

  test("also before its epoch has begun", async () => {
    shard = 10;
    const { promise: answer, resolve: goOn } = Promise.withResolvers<boolean>();
    const { promise: stuck, resolve: isStuck } = Promise.withResolvers<void>();
    const context = await ledgerContext(servers, "elected");
    const outcome = recover(context, new WitnessStand(context), {
      ...{ shard, reason: "test" },
      adoptable() {
        isStuck();
        return answer;
      },
    }).catch((error: unknown) => error);
    await stuck;
    const next = await ledgerContext(servers, "next leader");
    await until("the next leader", async () => (await lead(next)) === "recovered");
    const before = { row: await shardRow(db, shard), gate: await gate(next) };
    goOn(false);
    expect(await outcome).toBeInstanceOf(Error);
    expect({ row: await shardRow(db, shard), gate: await gate(next) }).toEqual(before);
  });

  test("finds that its epoch is over, also when nobody has ended it", async () => {
    shard = 6;
    const old = await stuckLeader("old leader");
    await db.update(shards).set({ epoch: 2 }).where(eq(shards.shard, shard));
    old.goOn();
    expect(await old.outcome).toBeInstanceOf(Error);
    const context = await ledgerContext(servers, "observer");
    const found = await gate(context);
    expect([found.epoch, found.state, found.opened]).toEqual(["1", "closed", undefined]);
    expect(await shardRow(db, shard)).toMatchObject({ epoch: 2, incarnation: "" });
  });

  test("finds that the gate belongs to a later epoch", async () => {
    shard = 7;
    const old = await stuckLeader("old leader");
    const context = await ledgerContext(servers, "observer");
    await context.redis.hset(shardKeys(shard).gate, { epoch: "2", state: "closed" });
    old.goOn();
    expect(await old.outcome).toBeInstanceOf(Error);
    expect(await gate(context)).toEqual({ epoch: "2", state: "closed" });
  });
});

test("a Redis that was restarted in the middle of a recovery stays closed until the next one", async () => {
  shard = 11;
  const leader = await stuckLeader("leader");
  await server.process.kill("SIGKILL");
  await server.process.start();
  const next = await ledgerContext(servers, "next leader");
  // Where each second is synced, the scripts may be loaded into a Redis that has lost what was restored.
  await next.redis.hset(shardKeys(shard).gate, { epoch: "1", state: "closed" });
  await until("the leader's connection", () => leader.context.redis.status === "ready");
  leader.goOn();
  expect(String(await leader.outcome)).toContain("restarted");
  expect(await gate(next)).toMatchObject({ epoch: "1", state: "closed" });
  // Without a row nobody takes what stands there for the end of a recovery.
  expect(await db.select().from(recoveries).where(eq(recoveries.shard, shard))).toEqual([]);
  expect(await lead(next)).toBe("recovered");
  expect(await gate(next)).toEqual({ epoch: "2", state: "open", opened: "2", restored: "2" });
});

describe("witnesses", () => {
  const heartbeat = (id: string, host = "another host") =>
    db.insert(processes).values({
      ...{ id, host, pid: 1, startedAt: sql`NOW(3)`, heartbeatAt: sql`NOW(3)` },
    });

  test("every living process is waited for, and what it confirmed is restored", async () => {
    const saleId = await newSale(db, { total: 10, warmedAt: new Date() });
    shard = shardOf(saleId);
    await heartbeat("a witness");
    const seen = { saleId, grantNo: 1, userId: 7, userSlot: 1, keyHash: null };
    const witness = await ledgerContext(servers, "a witness", {
      witnessed: () => Promise.resolve([{ ...seen, grantedAt: new Date(1_800_000_000_000) }]),
    });
    const leader = await ledgerContext(servers, "leader");
    let done = false;
    const leading = lead(leader).finally(() => {
      done = true;
    });
    await until("the leader's own word", () =>
      db.$count(witnesses, eq(witnesses.processId, "leader")),
    );
    const renewals = new Set<number>();
    await until("the leader to wait for more, or to be done", async () => {
      renewals.add((await shardRow(db, shard)).leaseUntil?.getTime() ?? 0);
      return done || renewals.size > 5;
    });
    expect(done).toBe(false);
    await new WitnessStand(witness).attend();
    expect(await leading).toBe("recovered");
    expect(await rowsOf(db, saleId)).toEqual([[1, 7]]);
    expect(await leader.redis.hgetall(saleKeys(saleId).winners)).toEqual({ 7: "1" });
    expect(await leader.redis.hget(saleKeys(saleId).sale, "granted")).toBe("1");
    expect(await db.$count(witnesses, eq(witnesses.shard, shard))).toBe(0);
    await db.delete(processes);
  });

  test("one whose heart has stopped is not waited for", async () => {
    shard = 9;
    await heartbeat("a dead one");
    await db.update(processes).set({ heartbeatAt: sql`NOW(3) - INTERVAL 1 HOUR` });
    expect(await lead(await ledgerContext(servers, "leader"))).toBe("recovered");
  });

  test("one that died a moment ago is counted among those who could not be asked", async () => {
    shard = 12;
    await db.delete(processes);
    await heartbeat("a dead one");
    await db.update(processes).set({ heartbeatAt: sql`NOW(3) - INTERVAL 20 SECOND` });
    expect(await lead(await ledgerContext(servers, "leader"))).toBe("recovered");
    const [row] = await db.select().from(recoveries).where(eq(recoveries.shard, shard));
    expect(row).toMatchObject({ unheard: 1, voids: 0 });
    await db.delete(processes);
  });

  test("two witnesses who claim one number: the first row stands, and one user keeps one grant", async () => {
    const saleId = await newSale(db, { total: 10, warmedAt: new Date() });
    shard = shardOf(saleId);
    const grant = (grantNo: number, userId: number) => ({
      ...{ saleId, grantNo, userId, userSlot: 1, keyHash: null, grantedAt: new Date() },
    });
    const context = await ledgerContext(servers, "leader", {
      witnessed: () => Promise.resolve([grant(1, 7), grant(1, 8), grant(2, 9), grant(4, 9)]),
    });
    expect(await lead(context)).toBe("recovered");
    expect(await rowsOf(db, saleId)).toEqual([
      [1, 7],
      [2, 9],
      [3, 0],
      [4, 0],
    ]);
    expect(await context.redis.hgetall(saleKeys(saleId).winners)).toEqual({ 7: "1", 9: "2" });
    expect(await context.redis.hmget(saleKeys(saleId).sale, "granted", "returned")).toEqual([
      ...["4", "2"],
    ]);
  });
});
