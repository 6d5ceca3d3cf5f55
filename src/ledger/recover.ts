// Recovery of one shard: what happens when the Redis behind it may have lost something. It was restarted, it
// lost its tail or everything, it failed over, it was restored from an old copy; from here they look alike.
//
//   1. One leader (a lock on MySQL elects it). Its epoch begins in MySQL; the lease is its own.
//   2. The gate in Redis closes under the new epoch: from here no script of an older epoch can grant.
//   3. Redis is a primary, loaded, healthy.
//   4. What the stream still holds goes into MySQL; then the living processes hand in what they confirmed.
//   5. Each sale whose counters and winners differ from MySQL's is merged and rebuilt (merge.ts).
//   6. The stream continues behind the cursor.
//   7. A row in `recoveries`; the scripts are loaded under a new incarnation; the gate opens.
//
// Any doubt throws, and the gate stays closed until a later try succeeds. An empty incarnation in MySQL says
// "in recovery": no process adopts the shard, and no worker may take its lease.

import { randomBytes } from "node:crypto";
import { and, eq, sql } from "drizzle-orm";
import { type DatabaseConnection, openConnection } from "../db/client.ts";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf } from "../db/errors.ts";
import { killConnection, lockName, waitForRows } from "../db/locks.ts";
import { shardScripts } from "../grab/scripts.ts";
import { limits } from "../limits.ts";
import { shardKeys } from "../redis/keys.ts";
import { scriptOf } from "../redis/script.ts";
import type { LedgerContext } from "./context.ts";
import { compareIds } from "./entry.ts";
import gateSource from "./gate.lua" with { type: "text" };
import { type Merged, mergeDamagedSales } from "./merge.ts";
import type { Recovery } from "./recovery.ts";
import { batchesOf, readStream } from "./stream.ts";
import swapSource from "./swap.lua" with { type: "text" };
import { recoveries, shards } from "./table.ts";
import { dismissWitnesses, hearWitnesses, type WitnessStand } from "./witness.ts";
import { leaseEnd, writeBatch } from "./writer.ts";

/** Another leader has begun a later epoch. */
class Superseded extends Error {}

/** The lock that elects the leader of a shard's recovery. */
const leaderLock = (shard: number) => lockName(`recover:${shard}`);

/**
 * Leads one recovery, or returns "led_elsewhere" when another process does. `adoptable` is asked once more
 * under the lock: somebody may have finished in between. Throws when it cannot be completed now.
 */
export async function recover(
  context: LedgerContext,
  stand: WitnessStand,
  {
    shard,
    reason,
    adoptable,
  }: { shard: number; reason: string; adoptable: () => Promise<boolean> },
): Promise<"recovered" | "adopted" | "led_elsewhere"> {
  const connection = await openConnection(context.settings.databaseUrl, {
    queryTimeoutMs: limits.recoveryStatementMs,
  });
  try {
    const [locks] = await connection.db.execute(
      sql`SELECT GET_LOCK(${leaderLock(shard)}, 0) AS taken`,
    );
    if ((locks as unknown as { taken: number }[])[0]?.taken !== 1) {
      await endStoppedLeader(connection, shard);
      return "led_elsewhere";
    }
    if (await adoptable()) return "adopted";
    const startedAt = performance.now();
    const { epochFrom, epoch } = await beginEpoch(context, connection, shard);
    const recovery = createRecovery(context, connection, shard, epoch);
    const merged = await restore(recovery, stand);
    await finish(recovery, {
      ...{ shard, epochFrom, epochTo: epoch, reason: reason.slice(0, 255) },
      ...merged,
      milliseconds: Math.round(performance.now() - startedAt),
    });
    await dismissWitnesses(connection.db, shard, epoch);
    context.metrics.recoveries.inc();
    context.metrics.voids.inc(merged.voids);
    const lost = merged.salesRebuilt > 0 || merged.voids > 0;
    context.log[lost ? "warn" : "debug"]({ shard, epoch, reason, ...merged }, "recovered");
    return "recovered";
  } finally {
    // Closing the connection gives the lock back.
    await connection.close().catch(() => connection.destroy());
  }
}

/** A leader that is stopped, not dead, keeps its lock; when its lease has run out its connection is ended. */
async function endStoppedLeader({ db }: DatabaseConnection, shard: number): Promise<void> {
  const [rows] = await db.execute(
    sql`SELECT IS_USED_LOCK(${leaderLock(shard)}) AS holder, lease_until < NOW(3) AS expired FROM shards WHERE shard = ${shard} AND incarnation = ''`,
  );
  const row = (rows as unknown as { holder: number | null; expired: number | null }[])[0];
  if (row?.holder && row.expired === 1) await killConnection(db, row.holder);
}

/** Steps 1 and 2: a new epoch in MySQL, then at the gate. */
async function beginEpoch(context: LedgerContext, connection: DatabaseConnection, shard: number) {
  const { db, threadId } = connection;
  const gate = await context.redis.hget(shardKeys(shard).gate, "epoch");
  const [row] = await db.select().from(shards).where(eq(shards.shard, shard));
  if (!row) throw new Error(`the row of shard ${shard} is missing`);
  // Redis may know a later epoch than a MySQL that was restored from a dump.
  const epoch = Math.max(row.epoch, Number(gate ?? 0)) + 1;
  const takeOver = () =>
    db
      .update(shards)
      .set({
        ...{ epoch, incarnation: "", connectionId: threadId },
        ...{ leaseOwner: context.settings.processId, leaseUntil: leaseEnd() },
      })
      .where(eq(shards.shard, shard));
  await waitForRows(db, limits.lockHolderPatienceSeconds);
  try {
    await takeOver();
  } catch (error) {
    if (errnoOf(error) !== ER_LOCK_WAIT_TIMEOUT || !row.connectionId) throw error;
    // The writer holds the row and does not move: its process is stopped, or it waits for something else.
    await killConnection(db, row.connectionId);
    await takeOver();
  }
  return { epochFrom: row.epoch, epoch };
}

function createRecovery(
  context: LedgerContext,
  connection: DatabaseConnection,
  shard: number,
  epoch: number,
): Recovery {
  const { redis, settings } = context;
  const swapScript = scriptOf(swapSource, String(epoch));
  return {
    ...{ context, connection, shard, epoch },
    async renew() {
      const [result] = await connection.db
        .update(shards)
        .set({ leaseUntil: leaseEnd() })
        .where(
          and(
            eq(shards.shard, shard),
            eq(shards.epoch, epoch),
            eq(shards.leaseOwner, settings.processId),
          ),
        );
      if (result.affectedRows !== 1)
        throw new Superseded(`epoch ${epoch} of shard ${shard} is over`);
    },
    async swap(keys, args) {
      await redis.script("LOAD", swapScript.text);
      const reply = await redis.evalsha(
        swapScript.sha,
        keys.length,
        ...keys,
        String(epoch),
        ...args,
      );
      if (reply !== "swapped")
        throw new Superseded(`epoch ${epoch} of shard ${shard} is not at the gate`);
    },
  };
}

async function moveGate(
  { context, shard, epoch }: Recovery,
  state: "open" | "closed",
): Promise<void> {
  const { text, sha } = scriptOf(gateSource, String(epoch));
  await context.redis.script("LOAD", text);
  const reply = await context.redis.evalsha(sha, 1, shardKeys(shard).gate, String(epoch), state);
  if (reply !== "moved")
    throw new Superseded(`the gate of shard ${shard} is beyond epoch ${epoch}`);
}

/** Steps 2 to 6. */
async function restore(recovery: Recovery, stand: WitnessStand): Promise<Merged> {
  const { context, connection, shard, epoch } = recovery;
  await moveGate(recovery, "closed");
  await expectHealthyPrimary(recovery);
  await drainStream(recovery);
  await stand.handIn(shard, epoch);
  const witnessed = await hearWitnesses(connection.db, shard, epoch, recovery.renew);
  const merged = await mergeDamagedSales(recovery, witnessed);
  await continueStream(context, connection, shard, epoch);
  return merged;
}

async function expectHealthyPrimary({ context }: Recovery): Promise<void> {
  const info = await context.redis.info();
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  if (fact("role") !== "master") throw new Error("redis is not a primary");
  if (fact("loading") !== "0") throw new Error("redis is still loading its data");
  if (fact("aof_enabled") !== "1") throw new Error("redis has its append-only file off");
  if (fact("aof_last_write_status") !== "ok")
    throw new Error("redis cannot write its append-only file");
  if (fact("maxmemory_policy") !== "noeviction") throw new Error("redis may evict keys");
}

async function drainStream({ context, connection, shard, renew }: Recovery): Promise<void> {
  const { processId } = context.settings;
  for (;;) {
    const [row] = await connection.db.select().from(shards).where(eq(shards.shard, shard));
    const entries = await readStream(context.redis, shard, row?.lastId ?? "0-0");
    if (entries.length === 0) return;
    for (const batch of batchesOf(entries)) {
      await renew();
      const result = await writeBatch(connection.db, processId, shard, batch);
      if (result.kind === "not_owner") throw new Superseded(`the lease of shard ${shard} is gone`);
    }
  }
}

/** New entries must come behind the cursor, also on a Redis whose clock or whose copy is older. */
async function continueStream(
  { redis }: LedgerContext,
  { db }: DatabaseConnection,
  shard: number,
  epoch: number,
): Promise<void> {
  const { ledger } = shardKeys(shard);
  const [row] = await db.select().from(shards).where(eq(shards.shard, shard));
  const cursor = row?.lastId ?? "0-0";
  const marker = ["kind", "epoch", "epoch", String(epoch), "at", String(Date.now())] as const;
  if ((await redis.exists(ledger)) === 0) {
    const milliseconds = Math.max(Date.now(), Number(cursor.split("-")[0]) + 1);
    await redis.xadd(ledger, `${milliseconds}-0`, ...marker);
    return;
  }
  const info = (await redis.xinfo("STREAM", ledger)) as (string | number)[];
  const last = String(info[info.indexOf("last-generated-id") + 1]);
  if (compareIds(last, cursor) < 0) await redis.call("XSETID", ledger, cursor);
  await redis.xadd(ledger, "*", ...marker);
}

/** Step 7. MySQL first: a process that reads the new incarnation too early finds no script and waits. */
async function finish(recovery: Recovery, row: typeof recoveries.$inferInsert): Promise<void> {
  const { context, connection, shard, epoch } = recovery;
  const incarnation = randomBytes(8).toString("hex");
  await connection.db.transaction(async (tx) => {
    const [result] = await tx
      .update(shards)
      .set({ incarnation, leaseOwner: null, leaseUntil: null, connectionId: null })
      .where(
        and(
          eq(shards.shard, shard),
          eq(shards.epoch, epoch),
          eq(shards.leaseOwner, context.settings.processId),
        ),
      );
    if (result.affectedRows !== 1) throw new Superseded(`epoch ${epoch} of shard ${shard} is over`);
    await tx.insert(recoveries).values(row);
  });
  for (const { text } of Object.values(shardScripts(incarnation)))
    await context.redis.script("LOAD", text);
  await moveGate(recovery, "open");
}
