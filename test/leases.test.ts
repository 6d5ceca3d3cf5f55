// Who writes which shard: leases in MySQL, judged by its clock, among processes that are pairs of a writer per
// shard and a round of claims here.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection, openPool } from "../src/db/client.ts";
import { shardScripts } from "../src/grab/scripts.ts";
import type { LedgerContext } from "../src/ledger/context.ts";
import { processes, shards } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { allShards, saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { ledgerContext, newSale, rowsOf, shardRow } from "./harness/ledger.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { startWriters, type Writers } from "./harness/writers.ts";

let servers: { redisUrl: string; databaseUrl: string };
let db: ReturnType<typeof openPool>["db"];
let started: Writers[] = [];
let names = 0;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  servers = { redisUrl: redis.url, databaseUrl: database.url };
  const pool = openPool(database.url, 4);
  stopLater(() => pool.close());
  db = pool.db;
});
afterAll(stopEverything);

async function startProcess(ledgerKeepMs = 0): Promise<Writers> {
  const process = await startWriters(servers, `process ${++names}`, ledgerKeepMs);
  started.push(process);
  return process;
}

/** Every test begins with free shards that have been recovered once, and with the scripts loaded. */
beforeEach(async () => {
  await Promise.all(started.map(({ release }) => release()));
  started = [];
  await db.delete(processes);
  await recoveredAs("incarnation", allShards);
});

async function recoveredAs(incarnation: string, which: readonly number[]): Promise<void> {
  const context = await ledgerContext(servers, "recovery");
  await context.redis.script("FLUSH");
  for (const { text } of Object.values(shardScripts(incarnation)))
    await context.redis.script("LOAD", text);
  for (const shard of which) {
    await context.redis.hset(shardKeys(shard).gate, { epoch: "1", state: "open" });
    await db
      .update(shards)
      .set({ epoch: 1, incarnation, leaseOwner: null, leaseUntil: null, connectionId: null })
      .where(eq(shards.shard, shard));
  }
}

const expire = (shard: number) =>
  db
    .update(shards)
    .set({ leaseUntil: sql`NOW(3) - INTERVAL 1 SECOND` })
    .where(eq(shards.shard, shard));

/** A grab that wins, on a sale of its own; gives the sale. */
async function sell(context: LedgerContext): Promise<number> {
  const saleId = await newSale(db, { warmedAt: new Date() });
  const fields = { state: "open", total: 10, granted: 0, returned: 0, recorded: 0, limit: 1 };
  await context.redis.hset(saleKeys(saleId).sale, fields);
  await win(context, saleId, 1);
  return saleId;
}

async function win({ redis }: LedgerContext, saleId: number, user: number): Promise<void> {
  const { gate, sale, winners, ledger, unrecorded } = saleKeys(saleId);
  const { sha } = shardScripts("incarnation").grab;
  const keys = [gate, sale, winners, ledger, unrecorded] as const;
  const reply = await redis.evalsha(sha, 5, ...keys, "1", 99, saleId, user, "");
  expect(reply).toEqual([`granted ${user} 1`]);
}

const untilRecorded = (context: LedgerContext, saleId: number, count = 1) =>
  until("the grant to be recorded", async () => {
    const recorded = await context.redis.hget(saleKeys(saleId).sale, "recorded");
    return (await rowsOf(db, saleId)).length === count && recorded === String(count);
  });

describe("one writer", () => {
  test("takes a free lease, and nobody else gets it meanwhile", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    expect(await one.writers[3]?.claim()).toBe(true);
    expect(await other.writers[3]?.claim()).toBe(false);
    expect(await shardRow(db, 3)).toMatchObject({ leaseOwner: one.id, expired: false });
  });

  test("gives the lease back when it is released", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    await one.writers[3]?.claim();
    await one.writers[3]?.release();
    expect(await shardRow(db, 3)).toMatchObject({ leaseOwner: null, connectionId: null });
    expect(await other.writers[3]?.claim()).toBe(true);
  });

  test("may be taken over when the lease has run out, and then writes no more", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    await one.writers[3]?.claim();
    await expire(3);
    expect(await other.writers[3]?.claim()).toBe(true);
    expect((await shardRow(db, 3)).leaseOwner).toBe(other.id);
    await one.leases.tick();
    await until("the first to let go", () => !one.writers[3]?.owned);
    expect((await shardRow(db, 3)).leaseOwner).toBe(other.id);
  });

  test("cannot take a shard that is being recovered, not even when its lease has run out", async () => {
    const process = await startProcess();
    await db
      .update(shards)
      .set({ incarnation: "", leaseOwner: "a leader" })
      .where(eq(shards.shard, 3));
    await expire(3);
    expect(await process.writers[3]?.claim()).toBe(false);
    await process.leases.tick();
    expect(process.owned()).not.toContain(3);
  });

  test("records what is in the stream, tells Redis, and trims behind itself", async () => {
    const { context, writers } = await startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    await writers[shard]?.claim();
    await untilRecorded(context, saleId);
    await until(
      "an empty set",
      async () => (await context.redis.scard(shardKeys(shard).unrecorded)) === 0,
    );
    expect(await context.redis.xlen(shardKeys(shard).ledger)).toBeLessThanOrEqual(1);
  });

  test("keeps recorded entries as long as LEDGER_KEEP says", async () => {
    const { context, writers } = await startProcess(3_600_000);
    const saleId = await sell(context);
    const { ledger, unrecorded } = shardKeys(shardOf(saleId));
    const entries = await context.redis.xlen(ledger);
    await writers[shardOf(saleId)]?.claim();
    await until("a trim", async () => (await context.redis.scard(unrecorded)) === 0);
    await writers[shardOf(saleId)]?.release();
    expect(await context.redis.xlen(ledger)).toBe(entries);
  });

  test("tells Redis what a predecessor had committed and not told", async () => {
    const { context, writers } = await startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    await writers[shard]?.claim();
    await untilRecorded(context, saleId);
    await writers[shard]?.release();
    await context.redis.hset(saleKeys(saleId).sale, "recorded", 0);
    await context.redis.sadd(shardKeys(shard).unrecorded, saleId);
    await writers[shard]?.claim();
    await untilRecorded(context, saleId);
  });

  test("that is to let go in the middle of a batch may be told to drain as well", async () => {
    const { context, writers } = await startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    const { ended } = await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT id FROM sales WHERE id = ${saleId} FOR UPDATE`);
      await writers[shard]?.claim();
      await until("a batch in hand", () => (writers[shard]?.lagMs ?? 0) > 0);
      return { ended: Promise.all([writers[shard]?.release(), writers[shard]?.drain()]) };
    });
    await ended;
    expect((await shardRow(db, shard)).leaseOwner).toBeNull();
  });

  test("goes on when its connection to MySQL is killed", async () => {
    const { context, writers } = await startProcess();
    const saleId = await sell(context);
    await writers[shardOf(saleId)]?.claim();
    await untilRecorded(context, saleId);
    await db.execute(sql.raw(`KILL ${(await shardRow(db, shardOf(saleId))).connectionId}`));
    await win(context, saleId, 2);
    await untilRecorded(context, saleId, 2);
  });

  test("follows a recovery that another process has led, instead of calling scripts that are gone", async () => {
    const { context, writers, fences } = await startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    await context.redis.script("FLUSH");
    await writers[shard]?.claim();
    await until("the fence", () => fences.length > 0);
    await recoveredAs("another", [shard]);
    await until("a writer", async () => writers[shard]?.owned || (await writers[shard]?.claim()));
    await untilRecorded(context, saleId);
  });

  test("leaves no connection behind when the lease is not to be had", async () => {
    const { writers } = await startProcess();
    const holder = await openConnection(servers.databaseUrl);
    try {
      await db
        .update(shards)
        .set({ leaseOwner: "a stopped process", connectionId: holder.threadId })
        .where(eq(shards.shard, 3));
      await expire(3);
      const before = await connections();
      for (let i = 0; i < 5; i += 1) await writers[4]?.claim().then(() => writers[4]?.release());
      await holder.db.transaction(async (tx) => {
        await tx.select().from(shards).where(eq(shards.shard, 3)).for("update");
        await expect(writers[3]?.claim()).rejects.toThrow();
      });
      await until("the connections to end", async () => (await connections()) <= before);
    } finally {
      await holder.close();
    }
  });
});

const connections = async (): Promise<number> => {
  const [rows] = await db.execute(sql`SHOW GLOBAL STATUS LIKE 'Threads_connected'`);
  return Number((rows as unknown as { Value: string }[])[0]?.Value);
};

describe("several processes", () => {
  test("share the shards among them, and each shard has one owner", async () => {
    const [one, two, three] = [await startProcess(), await startProcess(), await startProcess()];
    await one.leases.tick();
    expect(one.owned()).toHaveLength(limits.shards);
    await until("an even share", async () => {
      for (const { leases } of [one, two, three]) await leases.tick();
      const all = [one, two, three].map((process) => process.owned());
      return (
        all.every((owned) => owned.length >= 4 && owned.length <= 6) && all.flat().length === 16
      );
    });
    const all = [one, two, three].flatMap((process) => process.owned());
    expect(all.toSorted((a, b) => a - b)).toEqual([...allShards]);
  });

  test("one that stops beating loses its shards to the others", async () => {
    const [dead, living] = [await startProcess(), await startProcess()];
    await dead.leases.tick();
    await db
      .update(processes)
      .set({
        heartbeatAt: sql`NOW(3) - INTERVAL ${sql.raw(String(limits.leaseSeconds + 1))} SECOND`,
      })
      .where(eq(processes.id, dead.id));
    await Promise.all(allShards.map(expire));
    await living.leases.tick();
    expect(living.owned()).toHaveLength(limits.shards);
  });

  test("one that drains takes no lease again that it has given back", async () => {
    const one = await startProcess();
    await one.leases.tick();
    one.leases.takeNoMore();
    await one.writers[3]?.drain();
    await one.leases.tick();
    expect(one.owned()).toHaveLength(allShards.length - 1);
    expect(await shardRow(db, 3)).toMatchObject({ leaseOwner: null });
  });

  test("one that leaves makes room at once", async () => {
    const [leaving, staying] = [await startProcess(), await startProcess()];
    for (const { leases } of [leaving, staying]) await leases.tick();
    await leaving.release();
    await leaving.leases.leave();
    await staying.leases.tick();
    expect(staying.owned()).toHaveLength(limits.shards);
  });

  test("a holder that is stopped in the middle of a transaction is ended, and its shard taken", async () => {
    const process = await startProcess();
    const stopped = await openConnection(servers.databaseUrl);
    await db
      .update(shards)
      .set({ leaseOwner: "a stopped process", connectionId: stopped.threadId })
      .where(eq(shards.shard, 3));
    await expire(3);
    const outcome = stopped.db
      .transaction(async (tx) => {
        await tx.select().from(shards).where(eq(shards.shard, 3)).for("update");
        await process.leases.tick();
        expect(process.owned()).toHaveLength(limits.shards - 1);
        await tx.update(shards).set({ lastId: "99-0" }).where(eq(shards.shard, 3));
      })
      .catch((error: unknown) => error);
    expect(await outcome).toBeInstanceOf(Error);
    stopped.destroy();
    await process.leases.tick();
    expect(process.owned()).toHaveLength(limits.shards);
    expect((await shardRow(db, 3)).lastId).not.toBe("99-0");
  });
});
