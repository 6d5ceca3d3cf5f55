// What a Redis has lost, the processes that confirmed it may still know. Each keeps its latest grants in
// memory (main thread) and hands those of a shard in when a recovery of that shard asks for them: rows in
// `witnesses`, ended by one with grant number 0 that says "this is all". The leader waits for every process
// whose heart still beats, so a grant is lost only if the process that confirmed it died at the same moment.

import { and, eq, gt, lte, ne } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { isDataError, reasonOf } from "../db/errors.ts";
import { type LedgerContext, pause } from "../ledger/context.ts";
import { livingProcesses } from "../ledger/liveness.ts";
import type { WitnessedGrant } from "../ledger/protocol.ts";
import { unrecorded } from "../ledger/rows.ts";
import { shards, witnesses } from "../ledger/table.ts";
import { limits } from "../limits.ts";

/** Hands in what this process knows of a shard and MySQL does not have, once per epoch. */
export class WitnessStand {
  /** By shard: what has been handed in last, or is being handed in now. */
  readonly #handedIn = new Map<number, { epoch: number; done: Promise<void> }>();

  constructor(readonly context: LedgerContext) {}

  /** Looks for recoveries that wait for this process, on any process. */
  async attend(): Promise<void> {
    const { db } = this.context.pool;
    const waiting = await db
      .select({ shard: shards.shard, epoch: shards.epoch })
      .from(shards)
      .where(and(eq(shards.incarnation, ""), gt(shards.epoch, 0)));
    for (const { shard, epoch } of waiting) {
      // What keeps one shard waiting must not keep the others.
      await this.handIn(shard, epoch).catch((error) =>
        this.context.log.warn({ shard, reason: reasonOf(error) }, "a recovery waits for us"),
      );
    }
  }

  handIn(shard: number, epoch: number): Promise<void> {
    const before = this.#handedIn.get(shard);
    if (before?.epoch === epoch) return before.done;
    // Remembered at once: the leader and the round of looks must not both do it.
    const done = this.#handInOnce(shard, epoch);
    const mine = { epoch, done };
    this.#handedIn.set(shard, mine);
    done.catch(() => {
      if (this.#handedIn.get(shard) === mine) this.#handedIn.delete(shard);
    });
    return done;
  }

  async #handInOnce(shard: number, epoch: number): Promise<void> {
    const { db } = this.context.pool;
    const { processId } = this.context.settings;
    const known = await unrecorded(db, await this.context.witnessed(shard, epoch));
    for (let at = 0; at < known.length; at += limits.batchGrantsMax) {
      const rows = known.slice(at, at + limits.batchGrantsMax);
      await this.#testify(rows.map((grant) => ({ shard, epoch, processId, ...grant })));
    }
    const end = { saleId: 0, grantNo: 0, userId: 0, userSlot: 0, grantedAt: new Date() };
    await db.insert(witnesses).values({ shard, epoch, processId, ...end });
  }

  /** Inserts rows; one that MySQL refuses must not keep the others, and the recovery, waiting. */
  async #testify(rows: (typeof witnesses.$inferInsert)[]): Promise<void> {
    const { db } = this.context.pool;
    try {
      await db.insert(witnesses).values(rows);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = rows;
      if (rows.length > 1) for (const row of rows) await this.#testify([row]);
      else if (only)
        this.context.log.error({ grant: only, reason: reasonOf(error) }, "not handed in");
    }
  }
}

/**
 * Waits until every living process has handed in, and returns what they know and MySQL does not, by sale. A process
 * that stops answering is waited for until its heartbeat is old; after an outage of MySQL, in which nobody's heart
 * could beat, each has the time to begin again. `onWait` is called while waiting, to keep the lease.
 */
export async function hearWitnesses(
  { pool: { db }, settings, heart, stopping }: LedgerContext,
  shard: number,
  epoch: number,
  onWait: () => Promise<void>,
): Promise<Map<number, WitnessedGrant[]>> {
  const ofRecovery = and(eq(witnesses.shard, shard), eq(witnesses.epoch, epoch));
  for (;;) {
    const living = await livingProcesses(db, { orSilent: !heart.isSteady });
    const heard = await db
      .select({ id: witnesses.processId })
      .from(witnesses)
      .where(and(ofRecovery, eq(witnesses.grantNo, 0)));
    const ids = new Set(heard.map((row) => row.id));
    if ([settings.processId, ...living].every((id) => ids.has(id))) break;
    if (stopping.aborted) throw new Error("this process is stopping");
    await onWait();
    await pause(limits.recoveryWatchMs / 10, stopping);
  }
  const rows = await db
    .select()
    .from(witnesses)
    .where(and(ofRecovery, ne(witnesses.grantNo, 0)));
  // A process may have handed in before the stream was drained; one that had to begin anew has said some of it twice,
  // and what was granted by one may have been repeated by another.
  const claims = new Map(rows.map((row) => [`${row.saleId} ${row.grantNo} ${row.userId}`, row]));
  return Map.groupBy(await unrecorded(db, [...claims.values()]), (row) => row.saleId);
}

/** Removes what was handed in for this recovery and for earlier ones. */
export async function dismissWitnesses(db: Database, shard: number, epoch: number): Promise<void> {
  await db.delete(witnesses).where(and(eq(witnesses.shard, shard), lte(witnesses.epoch, epoch)));
}
