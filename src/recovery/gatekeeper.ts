// Opens gates. A gate that is closed on this process is tried with what MySQL says of it: epoch and
// incarnation. If Redis accepts both, another process has recovered the shard or nothing was lost, and they
// are adopted. If it does not, recovery is due: this process leads it or waits for the one that does. It
// tries until the gate is open or the thread stops.

import { eq, sql } from "drizzle-orm";
import { reasonOf } from "../db/errors.ts";
import { gateAccepts } from "../grab/probe.ts";
import { shardScripts } from "../grab/scripts.ts";
import { BackOff, type LedgerContext, pause } from "../ledger/context.ts";
import type { ShardWriter } from "../ledger/shard.ts";
import { shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import { primaryProblems, redisProblems } from "../redis/settings.ts";
import { sales } from "../sales/table.ts";
import { leaderLock } from "./leader.ts";
import { recover } from "./recover.ts";
import type { WitnessStand } from "./witness.ts";

type ShardRow = Pick<typeof shards.$inferSelect, "shard" | "epoch" | "incarnation">;

export class Gatekeeper {
  /** Why a shard's gate is closed, by shard; absent while it is open. */
  readonly #closed = new Map<number, string>();
  readonly #asking = new Set<number>();
  readonly #opening = new Set<Promise<void>>();
  #recovering = 0;

  constructor(
    readonly context: LedgerContext,
    readonly writers: readonly ShardWriter[],
    readonly stand: WitnessStand,
  ) {}

  closedBecause(shard: number): string | null {
    return this.#closed.get(shard) ?? null;
  }

  /** Resolves when no gate is being opened: once this process stops, a recovery in hand ends or gives up. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#opening);
  }

  /** Begins to open a gate unless that is under way; `epochMin` is the least epoch that may be adopted. */
  open(shard: number, reason: string, epochMin = 0): void {
    if (this.#closed.has(shard)) return;
    this.#closed.set(shard, reason);
    const opening = this.#open(shard, reason, epochMin)
      .catch((error) => this.context.log.error({ err: error, shard }, "opening a gate ended"))
      .finally(() => {
        this.#closed.delete(shard);
        this.#opening.delete(opening);
      });
    this.#opening.add(opening);
  }

  /**
   * Redis did not have a sale. If it was never put there, that is no loss and warming will do it; otherwise
   * the whole shard is recovered under a later epoch than the one that missed it.
   */
  async missing(saleId: number, epoch: number): Promise<void> {
    const shard = shardOf(saleId);
    if (this.#closed.has(shard) || this.#asking.has(saleId)) return;
    this.#asking.add(saleId);
    try {
      if (await this.#isBeingWarmed(saleId)) return;
    } finally {
      this.#asking.delete(saleId);
    }
    this.lost(shard, epoch, `sale ${saleId} is missing in redis`);
  }

  /** MySQL is told first that a sale is warm: for as long as the call to Redis may take, its absence is no loss. */
  async #isBeingWarmed(saleId: number): Promise<boolean> {
    const { pool, redis, stopping } = this.context;
    for (;;) {
      const [sale] = await pool.db
        .select({
          ageMs: sql<
            number | null
          >`TIMESTAMPDIFF(MICROSECOND, ${sales.warmedAt}, UTC_TIMESTAMP(3)) / 1000`,
        })
        .from(sales)
        .where(eq(sales.id, saleId));
      if (sale?.ageMs == null) return true;
      if (Number(sale.ageMs) > 2 * limits.redisCommandTimeoutMs) return false;
      if ((await redis.exists(saleKeys(saleId).sale)) === 1) return true;
      await pause(limits.recoveryWatchMs, stopping);
      if (stopping.aborted) return true;
    }
  }

  /** Something is lost, whatever Redis says of `epoch`: closes the gate everywhere until a later one is open. */
  lost(shard: number, epoch: number, reason: string): void {
    if (this.#closed.has(shard)) return;
    this.context.post({ type: "close", shard, epoch });
    this.open(shard, reason, epoch + 1);
  }

  async #open(shard: number, reason: string, epochMin: number): Promise<void> {
    await this.context.enrolled;
    const backOff = new BackOff(this.context.stopping);
    while (!this.context.stopping.aborted) {
      try {
        const row = await this.#rowOf(shard);
        if (row && (await this.#isCurrent(row, epochMin))) {
          const { epoch, incarnation } = row;
          this.context.post({ type: "gate", shard, epoch, incarnation });
          return;
        }
        const waits =
          row?.isLed || (await this.#recover(shard, reason, epochMin)) === "led_elsewhere";
        if (waits) await pause(limits.recoveryWatchMs, this.context.stopping);
      } catch (error) {
        this.#closed.set(shard, `${reason}; ${reasonOf(error)}`);
        this.context.log.warn({ shard, reason, failure: reasonOf(error) }, "the gate stays closed");
        await backOff.wait();
      }
    }
  }

  async #rowOf(shard: number) {
    const { pool, settings } = this.context;
    const [row] = await pool.db
      .select({
        ...{ shard: shards.shard, epoch: shards.epoch, incarnation: shards.incarnation },
        owner: shards.leaseOwner,
        held: sql<
          number | null
        >`${shards.leaseUntil} > NOW(3) AND IS_USED_LOCK(${leaderLock(shard)}) IS NOT NULL`,
      })
      .from(shards)
      .where(eq(shards.shard, shard));
    if (!row) return undefined;
    // Another process leads, lives, and has said something lately: there is nothing to be elected for.
    const isLed = row.incarnation === "" && row.held === 1 && row.owner !== settings.processId;
    return { ...row, isLed };
  }

  /** Whether what MySQL says of the shard is late enough, and Redis accepts it. */
  async #isCurrent({ shard, epoch, incarnation }: ShardRow, epochMin: number): Promise<boolean> {
    if (incarnation === "" || epoch < epochMin) return false;
    const problems = await redisProblems(this.context.redis, this.context.settings.durability);
    if (problems.length > 0) throw new Error(problems.join("; "));
    return this.#accepted(shard, epoch, incarnation);
  }

  async #accepted(shard: number, epoch: number, incarnation: string): Promise<boolean> {
    const { redis } = this.context;
    if ((await primaryProblems(redis)).length > 0) return false;
    try {
      const scripts = shardScripts(incarnation);
      // All of them: another version of the service may have loaded its own, and share some with this one.
      const shas = Object.values(scripts).map(({ sha }) => sha);
      const known = (await redis.script("EXISTS", ...shas)) as number[];
      if (!known.every((one) => one === 1)) return false;
      return await gateAccepts(redis, shard, { epoch, scripts });
    } catch (error) {
      if (isFence(error)) return false;
      throw error;
    }
  }

  async #recover(shard: number, reason: string, epochMin: number) {
    while (this.#recovering >= limits.recoveriesAtOnce) {
      await pause(limits.retryDelayMsMin / 10, this.context.stopping);
      if (this.context.stopping.aborted) return "led_elsewhere";
    }
    this.#recovering += 1;
    try {
      // This process's own writer must not be in the middle of a batch while its shard is taken over.
      await this.writers[shard]?.release();
      const outcome = await recover(this.context, this.stand, {
        shard,
        reason,
        adoptable: async () => {
          const row = await this.#rowOf(shard);
          return row !== undefined && this.#isCurrent(row, epochMin);
        },
      });
      // Whoever recovered it goes on writing it, until the shares are balanced.
      const { stopping } = this.context;
      if (outcome === "recovered" && !stopping.aborted) await this.writers[shard]?.claim();
      return outcome;
    } finally {
      this.#recovering -= 1;
    }
  }
}
