// Who leads the recovery of a shard: a lock on MySQL elects one, and a new epoch in the shard's row makes it so.
// The lock only elects; everything that a leader does later is held to its epoch.

import { eq, sql } from "drizzle-orm";
import type { DatabaseConnection } from "../db/client.ts";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf } from "../db/errors.ts";
import { killConnection, lockName, waitForRows } from "../db/locks.ts";
import type { LedgerContext } from "../ledger/context.ts";
import { leaseEnd } from "../ledger/lease.ts";
import { shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { shardKeys } from "../redis/keys.ts";

/** The lock that elects the leader of a shard's recovery. */
export const leaderLock = (shard: number) => lockName(`recover:${shard}`);

/** Takes the lock, which goes with the connection; false while another one has it. */
export async function isElected({ db }: DatabaseConnection, shard: number): Promise<boolean> {
  const [locks] = await db.execute(
    sql`SELECT GET_LOCK(${leaderLock(shard)}, 0) AS taken, IS_USED_LOCK(${leaderLock(shard)}) AS holder`,
  );
  const lock = (locks as unknown as { taken: number; holder: number | null }[])[0];
  if (lock?.taken === 1) return true;
  // A leader that is stopped, not dead, keeps its lock for as long as its connection lives. One at work says
  // something many times a second, so one that has been silent for as long as a lease lasts is ended.
  if (lock?.holder)
    await killConnection(db, Number(lock.holder), { silentSeconds: limits.leaseSeconds });
  return false;
}

/** Begins a new epoch in MySQL and takes the shard's lease over; an empty incarnation says "in recovery". */
export async function beginEpoch(
  context: LedgerContext,
  { db, threadId }: DatabaseConnection,
  shard: number,
): Promise<{ epochFrom: number; epoch: number }> {
  const gate = await context.redis.hget(shardKeys(shard).gate, "epoch");
  const [row] = await db.select().from(shards).where(eq(shards.shard, shard));
  if (!row) throw new Error(`the row of shard ${shard} is missing`);
  // Redis may know a later epoch than a MySQL that was restored from a dump.
  const epoch = Math.max(row.epoch, Number(gate) || 0) + 1;
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
    // The writer holds the row and does not move: its process is stopped, or it waits for something else. A stopped
    // process that settles a change may hold it too; that one's connection ends after `mysqlPoolSilenceSeconds`.
    await killConnection(db, row.connectionId);
    await takeOver();
  }
  return { epochFrom: row.epoch, epoch };
}
