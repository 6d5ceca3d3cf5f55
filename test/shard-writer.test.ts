// One shard on its writer: the lease, what it writes and tells, and what it hands over to recovery.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { shardScripts } from "../src/grab/scripts.ts";
import type { LedgerContext } from "../src/ledger/context.ts";
import { shards } from "../src/ledger/table.ts";
import { saleKeys, shardKeys, shardOf } from "../src/redis/keys.ts";
import { newSale, rowsOf, shardRow } from "./harness/ledger.ts";
import { linkTo } from "./harness/links.ts";
import { stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { untilSomebodyWaits } from "./harness/waits.ts";
import { type WritersRig, writersRig } from "./harness/writers.ts";

let rig: WritersRig;

beforeAll(async () => {
  rig = await writersRig();
});
beforeEach(() => rig.begin());
afterAll(stopEverything);

/** A grab that wins, on a sale of its own; gives the sale. */
async function sell(context: LedgerContext): Promise<number> {
  const saleId = await newSale(rig.db, { warmedAt: new Date() });
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
    return (await rowsOf(rig.db, saleId)).length === count && recorded === String(count);
  });

describe("one writer", () => {
  test("takes a free lease, and nobody else gets it meanwhile", async () => {
    const [one, other] = [await rig.startProcess(), await rig.startProcess()];
    expect(await one.writers[3]?.claim()).toBe(true);
    expect(await other.writers[3]?.claim()).toBe(false);
    expect(await shardRow(rig.db, 3)).toMatchObject({ leaseOwner: one.id, expired: false });
  });

  test("gives the lease back when it is released", async () => {
    const [one, other] = [await rig.startProcess(), await rig.startProcess()];
    await one.writers[3]?.claim();
    await one.writers[3]?.release();
    expect(await shardRow(rig.db, 3)).toMatchObject({ leaseOwner: null, connectionId: null });
    expect(await other.writers[3]?.claim()).toBe(true);
  });

  test("may be taken over when the lease has run out, and then writes no more", async () => {
    const [one, other] = [await rig.startProcess(), await rig.startProcess()];
    await one.writers[3]?.claim();
    await rig.expire(3);
    expect(await other.writers[3]?.claim()).toBe(true);
    expect((await shardRow(rig.db, 3)).leaseOwner).toBe(other.id);
    await one.tick();
    await until("the first to let go", () => !one.writers[3]?.owned);
    expect((await shardRow(rig.db, 3)).leaseOwner).toBe(other.id);
  });

  test("cannot take a shard that is being recovered, not even when its lease has run out", async () => {
    const process = await rig.startProcess();
    await rig.db
      .update(shards)
      .set({ incarnation: "", leaseOwner: "a leader" })
      .where(eq(shards.shard, 3));
    await rig.expire(3);
    expect(await process.writers[3]?.claim()).toBe(false);
    await process.tick();
    expect(process.owned()).not.toContain(3);
  });

  test("records what is in the stream, tells Redis, and trims behind itself", async () => {
    const { context, writers } = await rig.startProcess();
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
    const { context, writers } = await rig.startProcess({ ledgerKeepMs: 3_600_000 });
    const saleId = await sell(context);
    const { ledger, unrecorded } = shardKeys(shardOf(saleId));
    const entries = await context.redis.xlen(ledger);
    await writers[shardOf(saleId)]?.claim();
    await until("a trim", async () => (await context.redis.scard(unrecorded)) === 0);
    await writers[shardOf(saleId)]?.release();
    expect(await context.redis.xlen(ledger)).toBe(entries);
  });

  test("records on when Redis takes no writes, and tells it afterwards", async () => {
    const { context, writers } = await rig.startProcess();
    const saleId = await sell(context);
    const replicasMin = (count: string) =>
      context.redis.config("SET", "min-replicas-to-write", count);
    await replicasMin("1");
    try {
      await writers[shardOf(saleId)]?.claim();
      await until("the row", async () => (await rowsOf(rig.db, saleId)).length === 1);
      expect(await context.redis.hget(saleKeys(saleId).sale, "recorded")).toBe("0");
    } finally {
      await replicasMin("0");
    }
    await untilRecorded(context, saleId);
  });

  test.each([
    ["lacks a counter", (key: string) => ["HDEL", key, "recorded"]],
    ["is of another type", (key: string) => ["SET", key, "x"]],
  ])("goes on when one of its sales %s in Redis", async (_, damage) => {
    const { context, writers } = await rig.startProcess();
    const damaged = await sell(context);
    let other = await sell(context);
    while (shardOf(other) !== shardOf(damaged)) other = await sell(context);
    const [command = "", ...args] = damage(saleKeys(damaged).sale);
    await context.redis.call(command, ...args);
    await writers[shardOf(other)]?.claim();
    await untilRecorded(context, other);
    await win(context, other, 2);
    await untilRecorded(context, other, 2);
    expect(await rowsOf(rig.db, damaged)).toEqual([[1, 1]]);
  });

  test("tells Redis what a predecessor had committed and not told", async () => {
    const { context, writers } = await rig.startProcess();
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
    const { context, writers } = await rig.startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    const { ended } = await rig.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT id FROM sales WHERE id = ${saleId} FOR UPDATE`);
      await writers[shard]?.claim();
      await until("a batch in hand", () => (writers[shard]?.lagMs ?? 0) > 0);
      return { ended: Promise.all([writers[shard]?.release(), writers[shard]?.drain()]) };
    });
    await ended;
    expect((await shardRow(rig.db, shard)).leaseOwner).toBeNull();
  });

  test("goes on when its connection to MySQL is killed", async () => {
    const { context, writers } = await rig.startProcess();
    const saleId = await sell(context);
    await writers[shardOf(saleId)]?.claim();
    await untilRecorded(context, saleId);
    await rig.db.execute(sql.raw(`KILL ${(await shardRow(rig.db, shardOf(saleId))).connectionId}`));
    await win(context, saleId, 2);
    await untilRecorded(context, saleId, 2);
  });

  test("in the middle of a long batch holds up no other shard of its process", async () => {
    const { context, writers, tick } = await rig.startProcess();
    const [early, late] = [await sell(context), await sell(context)].toSorted(
      (a, b) => shardOf(a) - shardOf(b),
    ) as [number, number];
    await writers[shardOf(early)]?.claim();
    await untilRecorded(context, early);
    const holder = await openConnection(rig.servers.databaseUrl);
    await holder.db.execute(sql`SELECT GET_LOCK('slow batch', 0)`);
    await rig.db.execute(
      sql.raw(
        `CREATE TRIGGER slow BEFORE INSERT ON grants FOR EACH ROW IF NEW.sale_id = ${late} THEN DO GET_LOCK('slow batch', 10); END IF`,
      ),
    );
    await writers[shardOf(late)]?.claim();
    await until("a slow batch", async () => {
      const [rows] = await rig.db.execute(
        sql`SELECT 1 FROM information_schema.processlist WHERE state = 'User lock'`,
      );
      return (rows as unknown as unknown[]).length > 0;
    });
    await rig.expire(shardOf(early));
    await tick();
    expect((await shardRow(rig.db, shardOf(early))).expired).toBe(false);
    await win(context, early, 2);
    await untilRecorded(context, early, 2);
    await holder.close();
    await rig.db.execute(sql`DROP TRIGGER slow`);
    await untilRecorded(context, late);
  });

  test("ends its own connection that MySQL still waits for, and the transaction with it", async () => {
    const { url: databaseUrl, proxy } = await linkTo(rig.servers.databaseUrl);
    const { context, writers } = await rig.startProcess({ databaseUrl });
    const saleId = await sell(context);
    const writer = writers[shardOf(saleId)];
    await rig.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT id FROM sales WHERE id = ${saleId} FOR UPDATE`);
      await writer?.claim();
      await untilSomebodyWaits(rig.db);
      proxy.silence();
    });
    await until("the grant to be a row", async () => (await rowsOf(rig.db, saleId)).length === 1, {
      withinMs: 20_000,
    });
  });

  test("follows a recovery that another process has led, instead of calling scripts that are gone", async () => {
    const { context, writers, fences } = await rig.startProcess();
    const saleId = await sell(context);
    const shard = shardOf(saleId);
    await context.redis.script("FLUSH");
    await writers[shard]?.claim();
    await until("the fence", () => fences.length > 0);
    await rig.recoveredAs("another", [shard]);
    await until("a writer", async () => writers[shard]?.owned || (await writers[shard]?.claim()));
    await untilRecorded(context, saleId);
  });

  test("hands a shard over whose ledger begins behind MySQL's cursor", async () => {
    const { context, writers, fences } = await rig.startProcess();
    await rig.db.update(shards).set({ lastId: "5-0" }).where(eq(shards.shard, 3));
    await context.redis.xtrim(shardKeys(3).ledger, "MAXLEN", 1);
    await writers[3]?.claim();
    await until("the loss", () => fences.some((fence) => fence.includes("behind MySQL's cursor")));
  });

  test("leaves no connection behind when the lease is not to be had", async () => {
    const { writers } = await rig.startProcess();
    const holder = await openConnection(rig.servers.databaseUrl);
    try {
      await rig.db
        .update(shards)
        .set({ leaseOwner: "a stopped process", connectionId: holder.threadId })
        .where(eq(shards.shard, 3));
      await rig.expire(3);
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
  const [rows] = await rig.db.execute(sql`SHOW GLOBAL STATUS LIKE 'Threads_connected'`);
  return Number((rows as unknown as { Value: string }[])[0]?.Value);
};
