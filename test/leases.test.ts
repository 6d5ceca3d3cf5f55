// Who writes which shard: leases in MySQL, judged by its clock, among processes that are pairs of a writer per
// shard and a round of claims here.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { leaseEnd } from "../src/ledger/lease.ts";
import { processes, shards } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { allShards } from "../src/redis/keys.ts";
import { shardRow } from "./harness/ledger.ts";
import { stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { type WritersRig, writersRig } from "./harness/writers.ts";

let rig: WritersRig;

beforeAll(async () => {
  rig = await writersRig();
});
beforeEach(() => rig.begin());
afterAll(stopEverything);

describe("several processes", () => {
  test("share the shards among them, and each shard has one owner", async () => {
    const [one, two, three] = [
      await rig.startProcess(),
      await rig.startProcess(),
      await rig.startProcess(),
    ];
    await one.tick();
    expect(one.owned()).toHaveLength(limits.shards);
    await until("an even share", async () => {
      for (const { tick } of [one, two, three]) await tick();
      const all = [one, two, three].map((process) => process.owned());
      return (
        all.every((owned) => owned.length >= 4 && owned.length <= 6) && all.flat().length === 16
      );
    });
    const all = [one, two, three].flatMap((process) => process.owned());
    expect(all.toSorted((a, b) => a - b)).toEqual([...allShards]);
  });

  test("one that stops beating loses its shards to the others", async () => {
    const [dead, living] = [await rig.startProcess(), await rig.startProcess()];
    await dead.tick();
    await rig.db
      .update(processes)
      .set({
        heartbeatAt: sql`NOW(3) - INTERVAL ${sql.raw(String(limits.leaseSeconds + 1))} SECOND`,
      })
      .where(eq(processes.id, dead.id));
    await Promise.all(allShards.map(rig.expire));
    await living.tick();
    expect(living.owned()).toHaveLength(limits.shards);
  });

  test("one that drains takes no lease again that it has given back", async () => {
    const one = await rig.startProcess();
    await one.tick();
    one.leases.takeNoMore();
    await one.writers[3]?.drain();
    await one.tick();
    expect(one.owned()).toHaveLength(allShards.length - 1);
    expect(await shardRow(rig.db, 3)).toMatchObject({ leaseOwner: null });
  });

  test("one that leaves makes room at once", async () => {
    const [leaving, staying] = [await rig.startProcess(), await rig.startProcess()];
    for (const { tick } of [leaving, staying]) await tick();
    await leaving.release();
    await leaving.heart.leave();
    await staying.tick();
    expect(staying.owned()).toHaveLength(limits.shards);
  });
});

describe("a round of renewals", () => {
  test("is one statement for all leases", async () => {
    const process = await rig.startProcess();
    await process.tick();
    await Promise.all(allShards.map(rig.expire));
    const before = await counted("Com_update");
    await process.tick();
    expect((await counted("Com_update")) - before).toBe(1);
    for (const shard of allShards) expect((await shardRow(rig.db, shard)).expired).toBe(false);
  });

  test("waits for no row that is locked, renews the others, and comes back to it", async () => {
    const process = await rig.startProcess();
    await process.tick();
    await Promise.all(allShards.map(rig.expire));
    const waits = await counted("Innodb_row_lock_waits");
    await rig.db.transaction(async (tx) => {
      await tx.select().from(shards).where(eq(shards.shard, 3)).for("update");
      await process.tick();
    });
    expect(await counted("Innodb_row_lock_waits")).toBe(waits);
    for (const shard of allShards)
      expect((await shardRow(rig.db, shard)).expired).toBe(shard === 3);
    expect(process.owned()).toHaveLength(limits.shards);
    await process.tick();
    expect(await shardRow(rig.db, 3)).toMatchObject({ leaseOwner: process.id, expired: false });
  });
});

/** One of the server's counters. */
async function counted(name: string): Promise<number> {
  const [rows] = await rig.db.execute(sql.raw(`SHOW GLOBAL STATUS LIKE '${name}'`));
  return Number((rows as unknown as { Value: string }[])[0]?.Value);
}

/** Lets the lease of shard 3 run out while its holder has the row locked; does the work in the holder's transaction. */
async function inBatch(work: () => Promise<void>): Promise<unknown> {
  const holder = await openConnection(rig.servers.databaseUrl);
  await rig.db
    .update(shards)
    .set({ leaseOwner: "another process", connectionId: holder.threadId })
    .where(eq(shards.shard, 3));
  await rig.expire(3);
  try {
    return await holder.db.transaction(async (tx) => {
      await tx.select().from(shards).where(eq(shards.shard, 3)).for("update");
      await work();
      await tx
        .update(shards)
        .set({ lastId: "99-0", leaseUntil: leaseEnd() })
        .where(eq(shards.shard, 3));
    });
  } catch (error) {
    return error;
  } finally {
    holder.destroy();
  }
}

describe("a holder in the middle of a transaction, whose lease has run out", () => {
  test("is ended when it is stopped, and its shard taken", async () => {
    const process = await rig.startProcess();
    const outcome = await inBatch(() =>
      until("its shard", async () => {
        await process.tick();
        return process.owned().includes(3);
      }).then(() => undefined),
    );
    expect(outcome).toBeInstanceOf(Error);
    expect(process.owned()).toHaveLength(limits.shards);
    expect((await shardRow(rig.db, 3)).lastId).not.toBe("99-0");
  });

  test("is waited for when it is slow: its batch is written, and the lease stays its own", async () => {
    const process = await rig.startProcess();
    expect(await inBatch(process.tick)).toBeUndefined();
    await process.tick();
    expect(process.owned()).toHaveLength(limits.shards - 1);
    expect(await shardRow(rig.db, 3)).toMatchObject({
      ...{ lastId: "99-0", leaseOwner: "another process" },
    });
  });
});
