// Recovery of one shard: what happens when the Redis behind it may have lost something. It was restarted, it
// lost its tail or everything, it failed over, it was restored from an old copy; from here they look alike.
//
//   1. One leader (leader.ts). Its epoch begins in MySQL; the lease is its own.
//   2. The gate in Redis closes under the new epoch: from here no script of an older epoch can grant.
//   3. Redis is a primary, loaded, healthy.
//   4. What the stream still holds goes into MySQL; then the living processes hand in what they confirmed.
//   5. Each sale that differs from MySQL's is merged and rebuilt (compare.ts, merge.ts).
//   6. The stream continues behind the cursor.
//   7. A row in `recoveries`; the scripts are loaded under a new incarnation; the gate opens.
//
// Any doubt throws, and the gate stays closed until a later try succeeds. An empty incarnation in MySQL says
// "in recovery": no process adopts the shard, and no worker may take its lease.

import { randomBytes } from "node:crypto";
import { and, eq, max } from "drizzle-orm";
import { type DatabaseConnection, openConnection } from "../db/client.ts";
import { shardScripts } from "../grab/scripts.ts";
import type { LedgerContext } from "../ledger/context.ts";
import { leaseEnd } from "../ledger/lease.ts";
import { refusedSales } from "../ledger/letters.ts";
import { lostProcesses, scriptsOfTheLiving } from "../ledger/liveness.ts";
import { batchesOf, readStream } from "../ledger/stream.ts";
import { recoveries, shards } from "../ledger/table.ts";
import { writeBatch } from "../ledger/writer.ts";
import { limits } from "../limits.ts";
import { shardKeys } from "../redis/keys.ts";
import { scriptOf } from "../redis/script.ts";
import { primaryProblems, redisProblems, runIdOf } from "../redis/settings.ts";
import { type Recovery, Superseded } from "./context.ts";
import continueSource from "./continue.lua" with { type: "text" };
import gateSource from "./gate.lua" with { type: "text" };
import { beginEpoch, isElected } from "./leader.ts";
import { type Merged, mergeDamagedSales } from "./merge.ts";
import { forgetRebuilds } from "./rebuild.ts";
import { voidsSince } from "./voids.ts";
import { dismissWitnesses, hearWitnesses, type WitnessStand } from "./witness.ts";

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
    if (!(await isElected(connection, shard))) return "led_elsewhere";
    if (await adoptable()) return "adopted";
    const startedAt = performance.now();
    const { epochFrom, epoch } = await beginEpoch(context, connection, shard);
    const recovery = createRecovery(context, connection, shard, epoch);
    const restored = await restore(recovery, stand).catch(async (error) => {
      await giveUp(recovery).catch(() => undefined);
      throw error;
    });
    const milliseconds = Math.round(performance.now() - startedAt);
    const { merged, unheard } = restored;
    const voids = await voidsSince(recovery, restored.completed);
    const row = { shard, epochFrom, epochTo: epoch, ...merged, voids, unheard, milliseconds };
    await finish(recovery, restored, { ...row, reason: reason.slice(0, 255) });
    await dismissWitnesses(connection.db, shard, epoch);
    report(context, { ...row, reason });
    return "recovered";
  } finally {
    // Closing the connection gives the lock back.
    await connection.close().catch(() => connection.destroy());
  }
}

/** Nobody need wait for the lease of a leader that could not go on, because it stops or a server is away. */
const giveUp = ({ write, shard }: Recovery) =>
  write((tx) =>
    tx.update(shards).set({ leaseOwner: null, leaseUntil: null }).where(eq(shards.shard, shard)),
  );

/** What may be lost is a warning; a false alarm is not. */
function report({ metrics, log, settings }: LedgerContext, row: typeof recoveries.$inferInsert) {
  metrics.recoveries.inc();
  metrics.voids.inc(row.voids);
  const lost = row.salesRebuilt > 0 || row.voids > 0;
  // A Redis that syncs each second may have lost grants that only these processes knew, whatever it counts now.
  const maybe = settings.durability === "fast" && (row.unheard ?? 0) > 0;
  log[lost || maybe ? "warn" : "debug"](row, "recovered");
}

function createRecovery(
  context: LedgerContext,
  connection: DatabaseConnection,
  shard: number,
  epoch: number,
): Recovery {
  const write: Recovery["write"] = (work) =>
    connection.db.transaction(async (tx) => {
      const [result] = await tx
        .update(shards)
        .set({ leaseUntil: leaseEnd() })
        .where(
          and(
            eq(shards.shard, shard),
            eq(shards.epoch, epoch),
            eq(shards.leaseOwner, context.settings.processId),
          ),
        );
      if (result.affectedRows !== 1)
        throw new Superseded(`epoch ${epoch} of shard ${shard} is over`);
      return work(tx);
    });
  return {
    ...{ context, connection, shard, epoch, write },
    renew: () => write(() => Promise.resolve()),
    async run(source, keys, args) {
      const { text, sha } = scriptOf(source, "recovery");
      await context.redis.script("LOAD", text);
      const reply = await context.redis.evalsha(sha, keys.length, ...keys, String(epoch), ...args);
      if (reply === "stale")
        throw new Superseded(`the gate of shard ${shard} is not at epoch ${epoch}`);
      return String(reply);
    },
  };
}

const moveGate = (recovery: Recovery, state: "open" | "closed") =>
  recovery.run(gateSource, [shardKeys(recovery.shard).gate], [state]);

interface Restored {
  readonly merged: Merged;
  /** The last epoch that a recovery of this shard has completed; 0 before the first. */
  readonly completed: number;
  /** Processes that might have known more and could not be asked. */
  readonly unheard: number;
  /** Where the ledger goes on. */
  readonly cursor: string;
  /** The life of Redis in which all of it was done. */
  readonly runId: string;
}

/** Steps 2 to 6. */
async function restore(recovery: Recovery, stand: WitnessStand): Promise<Restored> {
  const { context, connection, shard, epoch } = recovery;
  const runId = await runIdOf(context.redis);
  const completed = await lastCompleted(recovery);
  const [opened, restored] = await context.redis.hmget(
    shardKeys(shard).gate,
    ...["opened", "restored"],
  );
  await moveGate(recovery, "closed");
  await expectHealthyPrimary(context);
  await forgetRebuilds(recovery);
  await drainStream(recovery);
  // Side by side: this process may know much, and the wait keeps the lease meanwhile.
  const [witnessed] = await Promise.all([
    hearWitnesses(context, shard, epoch, recovery.renew),
    stand.handIn(shard, epoch),
  ]);
  const unheard = (await lostProcesses(connection.db)).length;
  // A Redis that served another epoch last than MySQL knows has a past of its own: its numbers may be the same, and
  // its winners others. Not so where that epoch's recovery came to its end here and its gate was never opened.
  const isStranger = ![opened, restored].some((at) => Number(at ?? 0) === completed);
  const suspects = isStranger ? "all" : await refusedSales(connection.db, shard);
  const merged = await mergeDamagedSales(recovery, witnessed, suspects);
  return { merged, completed, unheard, runId, cursor: await continueStream(recovery) };
}

async function lastCompleted({ connection, shard }: Recovery): Promise<number> {
  const [row] = await connection.db
    .select({ epoch: max(recoveries.epochTo) })
    .from(recoveries)
    .where(eq(recoveries.shard, shard));
  return row?.epoch ?? 0;
}

async function expectHealthyPrimary({ redis, settings }: LedgerContext): Promise<void> {
  const problems = [
    ...(await primaryProblems(redis)),
    ...(await redisProblems(redis, settings.durability)),
  ];
  if (problems.length > 0) throw new Error(problems.join("; "));
}

/**
 * Writes what the stream still holds. Which sales it has left with a gap or a dead letter stands in MySQL, for this
 * leader or for the next one: the stream tells it only once.
 */
async function drainStream({ context, connection, shard, renew }: Recovery): Promise<void> {
  const by = {
    ...{ owner: context.settings.processId, connectionId: connection.threadId },
    ...{ shard, codes: context.codes },
  };
  for (;;) {
    const [row] = await connection.db.select().from(shards).where(eq(shards.shard, shard));
    const entries = await readStream(context.redis, shard, row?.lastId ?? "0-0");
    if (entries.length === 0) return;
    for (const batch of batchesOf(entries)) {
      await renew();
      const result = await writeBatch(connection.db, by, batch, { overGaps: true });
      if (result.kind !== "written") throw new Superseded(`the lease of shard ${shard} is gone`);
      if (result.dead > 0) {
        context.metrics.deadLetters.inc(result.dead);
        context.log.error({ shard, count: result.dead }, "entries went to dead_letters");
      }
    }
  }
}

/** New entries must come behind the cursor, also on a Redis whose clock or whose copy is older. */
async function continueStream(recovery: Recovery): Promise<string> {
  const { connection, shard } = recovery;
  const { gate, ledger } = shardKeys(shard);
  const [row] = await connection.db.select().from(shards).where(eq(shards.shard, shard));
  const cursor = row?.lastId ?? "0-0";
  const first = `${Math.max(Date.now(), Number(cursor.split("-")[0]) + 1)}-0`;
  return recovery.run(continueSource, [gate, ledger], [cursor, first, Date.now()]);
}

/**
 * Step 7. MySQL first: a process that reads the new incarnation too early finds no script and waits. The cursor
 * moves to the marker, so that the ledger of a healthy shard never begins behind the cursor.
 */
async function finish(
  recovery: Recovery,
  { cursor, runId }: Restored,
  row: typeof recoveries.$inferInsert,
): Promise<void> {
  const { context, connection, shard } = recovery;
  const incarnation = randomBytes(8).toString("hex");
  const versions = await scriptsOfTheLiving(connection.db);
  const expectSameLife = async () => {
    if ((await runIdOf(context.redis)) !== runId)
      throw new Error(`redis was restarted while shard ${shard} was recovered`);
  };
  // The row below says that this Redis was restored, from the first sale to the last, also if it is never opened.
  await expectSameLife();
  await recovery.write(async (tx) => {
    await tx
      .update(shards)
      .set({
        ...{ incarnation, lastId: cursor },
        ...{ leaseOwner: null, leaseUntil: null, connectionId: null },
      })
      .where(eq(shards.shard, shard));
    await tx.insert(recoveries).values(row);
  });
  for (const sources of versions)
    for (const { text } of Object.values(shardScripts(incarnation, sources)))
      await context.redis.script("LOAD", text);
  // A Redis that was restarted before the scripts were loaded knows them, and may have lost what was restored.
  await expectSameLife();
  await moveGate(recovery, "open");
}
