// Who writes which shard. Every second each process renews the leases it holds, gives back what exceeds its share
// of the sixteen, and takes what is free. Leases are judged by MySQL's clock.
//
// A process may reach MySQL and not Redis: it could hold its leases for ever and write nothing. So each asks Redis
// too. One that gets no answer takes nothing and says so beside its heartbeat, and after as long as a lease lasts it
// gives back what it has; the sixteen are shared among the others.

import { once } from "node:events";
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf, reasonOf } from "../db/errors.ts";
import { killConnection } from "../db/locks.ts";
import { limits } from "../limits.ts";
import type { LedgerContext } from "./context.ts";
import { compareIds } from "./entry.ts";
import { leaseEnd } from "./lease.ts";
import { countLiving } from "./liveness.ts";
import type { ShardWriter } from "./shard.ts";
import { shards } from "./table.ts";

export class Leases {
  /** Processes with a fresh heartbeat, this one included. */
  living = 1;
  /** Whether Redis has answered in the latest round. */
  reachesRedis = true;
  #redisAnsweredAt = performance.now();
  #takesMore = true;

  constructor(
    readonly context: LedgerContext,
    readonly writers: readonly ShardWriter[],
  ) {}

  /** For a process that drains: it keeps what it has until that is written, and what it gives back is for others. */
  takeNoMore(): void {
    this.#takesMore = false;
  }

  /** One round. Throws when MySQL does not answer. */
  async tick(): Promise<void> {
    const { processId } = this.context.settings;
    const { db } = this.context.pool;
    const [{ living, recording }] = await Promise.all([countLiving(db), this.#askRedis()]);
    this.living = Math.max(1, living);
    await this.#renew();
    const cursors = this.writers.map((writer) => writer.cursor);
    const rows = await db
      .select({
        ...{ shard: shards.shard, owner: shards.leaseOwner, incarnation: shards.incarnation },
        ...{ epoch: shards.epoch, lastId: shards.lastId },
        expired: sql<number | null>`${shards.leaseUntil} < NOW(3)`,
        connectionId: shards.connectionId,
      })
      .from(shards)
      .orderBy(asc(shards.shard));
    // A process that heard of no recovery, because it was cut off from MySQL, may be at a Redis that heard of none
    // either: its old gate would stay open there for ever.
    this.context.post({ type: "epochs", epochs: rows.map(({ epoch }) => epoch) });
    const share = Math.ceil(limits.shards / Math.max(1, recording));
    let held = 0;
    for (const row of rows) {
      const writer = this.writers[row.shard];
      if (!writer?.owned) continue;
      held += 1;
      // A cursor that went back says that MySQL has been restored from an older copy: the next claim looks.
      const wentBack = compareIds(row.lastId, cursors[row.shard] ?? "0-0") < 0;
      if (row.owner !== processId || wentBack || held > share || this.#isCutOff) {
        held -= 1;
        void writer.release();
      }
    }
    const wanted = rows.filter(({ shard, owner, expired, incarnation }) => {
      const free = owner === null || expired === 1 || owner === processId;
      return free && incarnation !== "" && this.writers[shard]?.owned === false;
    });
    // At once: each may wait a second for a holder that is stopped, and the next heartbeat must not.
    const takes = this.#takesMore && this.reachesRedis;
    const claims = wanted.slice(0, takes ? Math.max(0, share - held) : 0);
    const taken = await Promise.all(
      claims.map(({ shard, connectionId }) => this.#claim(shard, connectionId)),
    );
    held += taken.filter(Boolean).length;
    this.context.metrics.leases.set(held);
  }

  /** Never rejects. By a command, because a link that is half open looks well until it is used. */
  async #askRedis(): Promise<void> {
    const { redis } = this.context;
    try {
      const signal = AbortSignal.timeout(limits.redisCommandTimeoutMs);
      if (redis.status !== "ready") await once(redis, "ready", { signal });
      await redis.time();
      this.reachesRedis = true;
      this.#redisAnsweredAt = performance.now();
    } catch {
      this.reachesRedis = false;
    }
  }

  get #isCutOff(): boolean {
    const silentMs = performance.now() - this.#redisAnsweredAt;
    return !this.reachesRedis && silentMs > limits.leaseSeconds * 1_000;
  }

  /**
   * Those whose rows nobody has locked: a batch renews its own lease itself, and what changes one of a shard's sales
   * has the row for a moment. Two statements, each a transaction of its own: a process that is stopped in between
   * must not keep the rows.
   */
  async #renew(): Promise<void> {
    const held = this.writers.filter((writer) => writer.owned).map(({ shard }) => shard);
    if (held.length === 0) return;
    const { db } = this.context.pool;
    const ours = (which: readonly number[]) =>
      and(
        inArray(shards.shard, [...which]),
        eq(shards.leaseOwner, this.context.settings.processId),
      );
    const rows = await db
      .select({ shard: shards.shard })
      .from(shards)
      .where(ours(held))
      .for("update", { skipLocked: true });
    const free = rows.map(({ shard }) => shard);
    if (free.length === 0) return;
    try {
      await db.update(shards).set({ leaseUntil: leaseEnd() }).where(ours(free));
    } catch (error) {
      // Somebody has taken one of them in between, and keeps it: the next round is in a second.
      if (errnoOf(error) !== ER_LOCK_WAIT_TIMEOUT) throw error;
    }
  }

  async #claim(shard: number, holder: number | null): Promise<boolean> {
    try {
      return (await this.writers[shard]?.claim()) ?? false;
    } catch (error) {
      // An expired holder that still has the row locked is stopped in the middle of its transaction, or is slow: a
      // lease is renewed at the end of a batch. Two that are slow and end each other would never write anything.
      if (errnoOf(error) === ER_LOCK_WAIT_TIMEOUT && holder !== null) {
        const { db } = this.context.pool;
        await killConnection(db, holder, { silentSeconds: limits.leaseSeconds });
      }
      this.context.log.warn({ shard, reason: reasonOf(error) }, "the lease is not to be had");
      return false;
    }
  }
}
