// One shard on its owner: claim the lease, read the stream from the cursor, write batch after batch, tell
// Redis what is recorded, trim what nobody needs any more; until the lease is gone or the thread stops.
//
// Each owned shard has two connections of its own. The one to Redis waits in XREAD. The one to MySQL has its
// id in the shard's row, so that whoever takes over can end a transaction whose process has stopped.

import { once } from "node:events";
import { eq, inArray } from "drizzle-orm";
import { type DatabaseConnection, openConnection } from "../db/client.ts";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf, reasonOf } from "../db/errors.ts";
import { killConnection } from "../db/locks.ts";
import { shardScripts } from "../grab/scripts.ts";
import { limits } from "../limits.ts";
import { connectRedis, type Redis } from "../redis/client.ts";
import { saleKeys, shardKeys } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import { sales } from "../sales/table.ts";
import { BackOff, type LedgerContext, pause } from "./context.ts";
import { compareIds, type LedgerEntry } from "./entry.ts";
import { giveBackLease, takeLease } from "./lease.ts";
import { batchesOf, fillsBatch, firstEntryId, readStream } from "./stream.ts";
import { shards } from "./table.ts";
import { writeBatch } from "./writer.ts";

export interface ShardHooks {
  /** The Redis behind this shard may have lost something. */
  onFence(shard: number, reason: string): void;
  /** The ledger of this shard has lost entries under this epoch: only a later one may sell again. */
  onLoss(shard: number, epoch: number, reason: string): void;
}

export class ShardWriter {
  #running: Promise<void> | undefined;
  #claiming: Promise<boolean> | undefined;
  #stop = new AbortController();
  #cursor = "0-0";
  #epoch = 0;
  /** Made once per loading: each text is hashed. */
  #scripts = shardScripts("");
  /** Cumulative recorded counts that Redis has not confirmed yet. */
  readonly #untold = new Map<number, number>();
  #oldestReadAt: number | undefined;
  #ended: DatabaseConnection | undefined;

  constructor(
    readonly context: LedgerContext,
    readonly shard: number,
    readonly hooks: ShardHooks,
  ) {}

  get owned(): boolean {
    return this.#running !== undefined;
  }

  /** How far MySQL is, as this writer has heard from it while it has held the lease. */
  get cursor(): string {
    return this.owned ? this.#cursor : "0-0";
  }

  /** Age of the oldest entry that is read and not written yet, in milliseconds. */
  get lagMs(): number {
    return this.#oldestReadAt === undefined ? 0 : Math.max(0, Date.now() - this.#oldestReadAt);
  }

  /** Takes the lease if it is free and begins to write. False when another process holds it. */
  claim(): Promise<boolean> {
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = undefined;
    });
    return this.#claiming;
  }

  async #claim(): Promise<boolean> {
    if (this.#running) return true;
    const connection = await this.#connect();
    if (!connection) return false;
    this.#stop = new AbortController();
    this.#running = this.#run(connection).finally(() => {
      this.#running = undefined;
    });
    return true;
  }

  /** Ends after the batch in hand and gives the lease back. */
  async release(): Promise<void> {
    await this.#claiming?.catch(() => undefined);
    this.#stop.abort();
    await this.#running;
  }

  /** Ends when all that is in the stream now is written, then gives the lease back. */
  async drain(): Promise<void> {
    await this.#claiming?.catch(() => undefined);
    const { ledger } = shardKeys(this.shard);
    const newest = await this.context.redis.xrevrange(ledger, "+", "-", "COUNT", 1).catch(() => []);
    const last = newest[0]?.[0] ?? "0-0";
    const { signal } = this.#stop;
    while (this.owned && !signal.aborted && compareIds(this.#cursor, last) < 0) {
      await pause(limits.batchDelayMs, signal);
    }
    await this.release();
  }

  /** A connection that holds the lease, or undefined when another process does. Throws when MySQL is away. */
  async #connect(): Promise<DatabaseConnection | undefined> {
    const connection = await openConnection(this.context.settings.databaseUrl);
    try {
      if (await takeLease(connection, this.shard, this.context.settings.processId))
        return connection;
      await connection.close();
      return undefined;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #run(connection: DatabaseConnection): Promise<void> {
    const { context, shard } = this;
    const log = context.log.child({ shard });
    const reader = connectRedis(context.settings.redisUrl, "blocking", log);
    const abortRead = () => reader.disconnect();
    this.#stop.signal.addEventListener("abort", abortRead, { once: true });
    let at = connection;
    // Loaded again after every failure: another process may have led a recovery in the meantime, and then
    // the scripts have another incarnation.
    let loaded = false;
    const backOff = new BackOff(this.#stop.signal);
    log.debug("writing");
    try {
      while (!this.#stop.signal.aborted) {
        try {
          if (!loaded) await this.#loadState(at);
          loaded = true;
          if (!(await this.#step(reader, at))) break;
          backOff.reset();
        } catch (error) {
          if (this.#stop.signal.aborted) break;
          loaded = false;
          context.metrics.retries.inc();
          log.warn({ reason: reasonOf(error) }, "the ledger waits and tries again");
          await backOff.wait();
          const next = await this.#reconnect(at);
          if (!next) break;
          at = next;
        }
      }
    } finally {
      this.#stop.signal.removeEventListener("abort", abortRead);
      reader.disconnect();
      this.#oldestReadAt = undefined;
      await giveBackLease(at, this.shard, this.context.settings.processId);
    }
  }

  async #loadState({ db }: DatabaseConnection): Promise<void> {
    const [row] = await db.select().from(shards).where(eq(shards.shard, this.shard));
    this.#cursor = row?.lastId ?? "0-0";
    this.#epoch = row?.epoch ?? 0;
    this.#scripts = shardScripts(row?.incarnation ?? "");
    await this.#expectUnbrokenLedger();
    // A predecessor may have died between COMMIT and telling Redis.
    const waiting = (await this.context.redis.smembers(shardKeys(this.shard).unrecorded)).map(
      Number,
    );
    if (waiting.length === 0) return;
    const rows = await db
      .select({ id: sales.id, granted: sales.granted })
      .from(sales)
      .where(inArray(sales.id, waiting));
    for (const { id, granted } of rows) this.#untold.set(id, granted);
  }

  /**
   * Trimming keeps the entry at the cursor. A ledger that begins behind it was trimmed for a MySQL that knew
   * more: this one has been restored from an older copy, or somebody else has trimmed.
   */
  async #expectUnbrokenLedger(): Promise<void> {
    const first = await firstEntryId(this.context.redis, this.shard);
    if (compareIds(first ?? "0-0", this.#cursor) > 0 || (!first && this.#cursor !== "0-0"))
      this.#report(`the ledger begins at ${first}, behind MySQL's cursor ${this.#cursor}`);
  }

  /** Hands the shard over to recovery; never returns. */
  #report(loss: string): never {
    this.hooks.onLoss(this.shard, this.#epoch, loss);
    throw new Error(loss);
  }

  /** One read and the transactions that it fills. False when the lease is gone. */
  async #step(reader: Redis, connection: DatabaseConnection): Promise<boolean> {
    if (reader.status !== "ready") {
      const tooLong = AbortSignal.timeout(limits.redisConnectTimeoutMs);
      await once(reader, "ready", { signal: AbortSignal.any([this.#stop.signal, tooLong]) });
    }
    const entries = await readStream(reader, this.shard, this.#cursor, limits.streamBlockMs);
    const [oldest] = entries;
    if (oldest) this.#oldestReadAt = Number(oldest.id.split("-")[0]);
    if (oldest && !fillsBatch(entries)) {
      // A little patience makes few large transactions out of many small ones.
      await pause(limits.batchDelayMs, this.#stop.signal);
      entries.push(
        ...(await readStream(this.context.redis, this.shard, entries.at(-1)?.id ?? this.#cursor)),
      );
    }
    for (const batch of batchesOf(entries)) {
      if (!(await this.#write(connection, batch))) return false;
    }
    this.#oldestReadAt = undefined;
    if (oldest || this.#untold.size > 0) await this.#tellRedis();
    return true;
  }

  async #write({ db, threadId }: DatabaseConnection, batch: LedgerEntry[]): Promise<boolean> {
    const { metrics, settings, log, codes } = this.context;
    const end = metrics.batchSeconds.startTimer();
    const lease = { owner: settings.processId, connectionId: threadId, shard: this.shard };
    const result = await writeBatch(db, { ...lease, codes }, batch);
    if (result.kind === "not_owner") return false;
    if (result.kind === "gap") {
      const { saleId, expected, first } = result.gap;
      this.#report(`the ledger of sale ${saleId} goes on at ${first} instead of ${expected}`);
    }
    end();
    metrics.rows.inc(result.rows);
    metrics.batchRows.observe(result.rows);
    if (result.dead > 0) {
      metrics.deadLetters.inc(result.dead);
      log.error({ shard: this.shard, count: result.dead }, "entries went to dead_letters");
    }
    this.#cursor = result.lastId;
    for (const [saleId, granted] of result.recorded) this.#untold.set(saleId, granted);
    return true;
  }

  /**
   * Tells Redis what MySQL has, and trims the stream behind the cursor, less what is to be kept. A Redis that takes no
   * writes now can be read all the same: what it has not been told it is told later. A fence is thrown.
   */
  async #tellRedis(): Promise<void> {
    const { recorded } = this.#scripts;
    const { ledger } = shardKeys(this.shard);
    const pipeline = this.context.redis.pipeline();
    const told = [...this.#untold];
    for (const [saleId, granted] of told) {
      const keys = saleKeys(saleId);
      pipeline.evalsha(recorded.sha, 2, keys.sale, keys.unrecorded, saleId, granted);
    }
    const keepMs = this.context.settings.ledgerKeepMs;
    const cursorMs = Number(this.#cursor.split("-")[0]);
    const minId =
      keepMs === 0 ? this.#cursor : `${Math.max(0, Math.min(cursorMs, Date.now() - keepMs))}-0`;
    pipeline.xtrim(ledger, "MINID", "=", minId);
    const replies = (await pipeline.exec()) ?? [];
    const failures = replies.flatMap(([error]) => error ?? []);
    const fence = failures.find(isFence);
    if (fence) {
      this.hooks.onFence(this.shard, fence.message);
      throw fence;
    }
    for (const [index, [saleId, granted]] of told.entries()) {
      const heard = replies[index]?.[0] === null;
      if (heard && this.#untold.get(saleId) === granted) this.#untold.delete(saleId);
    }
    const [failure] = failures;
    if (failure)
      this.context.log.warn({ shard: this.shard, reason: failure.message }, "redis is told later");
  }

  /**
   * MySQL may not have heard that a connection is over, and keep its transaction and the row for it. Ended once, and
   * only when it is silent as this one must be: after a restart of MySQL its id may be that of another one at work.
   */
  async #end(old: DatabaseConnection): Promise<void> {
    if (this.#ended === old) return;
    const silentSeconds = limits.lockHolderPatienceSeconds;
    const { db } = this.context.pool;
    if (await killConnection(db, old.threadId, { silentSeconds })) this.#ended = old;
  }

  /** A fresh connection with the lease, or undefined when the lease is gone. */
  async #reconnect(old: DatabaseConnection): Promise<DatabaseConnection | undefined> {
    old.destroy();
    try {
      return await this.#connect();
    } catch (error) {
      if (errnoOf(error) === ER_LOCK_WAIT_TIMEOUT) await this.#end(old).catch(() => undefined);
      // The next step fails on the old one and comes back here, after a longer wait.
      return old;
    }
  }
}
