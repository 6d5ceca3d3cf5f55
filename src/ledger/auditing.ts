// The audit beside the ledger: every ten seconds a round over the shards that this process writes. A sale with a
// finding is paused, because its numbers cannot be trusted any more; nothing is corrected, because nobody knows
// which of the stores is right; only where Redis lacks the sale, a counter of it or the entries of its last grants, the
// whole shard is recovered instead of a pause. While a gate is closed or a server does not answer, it says nothing.

import type { Finding } from "../audit/finding.ts";
import { LiveAudit, type LiveRound } from "../audit/live.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import type { ChangesDeps } from "../sales/change/changes.ts";
import { pauseSale, type StateChange } from "../sales/change/pause.ts";
import type { LedgerContext } from "./context.ts";
import { type LedgerHistory, readHistory } from "./history.ts";
import type { AuditStatus } from "./protocol.ts";

interface AuditingHooks {
  /** The shards that this process writes and whose gate is open. */
  shards(): number[];
  /** Redis does not have a sale, under this epoch; it may be on its way there. */
  onMissing(saleId: number, epoch: number): Promise<void>;
  /** Redis does not have what it must have, under this epoch. */
  onLoss(shard: number, epoch: number, reason: string): void;
}

const nameOf = ({ saleId, kind }: Finding): string => `${saleId} ${kind}`;

export class Auditing {
  readonly #live: LiveAudit;
  #findings: readonly Finding[] = [];
  /** Findings that the log has, so that it does not get them again in each round. */
  #told: ReadonlySet<string> = new Set();
  #at: number | undefined;
  /** Since when, by the monotonic clock, every round has failed. */
  #blindSince: number | undefined;
  #history: LedgerHistory | undefined;

  constructor(
    readonly context: LedgerContext,
    readonly hooks: AuditingHooks,
  ) {
    this.#live = new LiveAudit(context, context.stopping);
  }

  /** What the last round that could look has found; undefined before the first. */
  get status(): AuditStatus | undefined {
    if (this.#at === undefined) return undefined;
    return {
      at: new Date(this.#at).toISOString(),
      count: this.#findings.length,
      findings: this.#findings.slice(0, limits.auditLiveFindingsTold),
    };
  }

  /** For how many milliseconds every round has failed; 0 when the last could look. */
  get blindMs(): number {
    return this.#blindSince === undefined ? 0 : performance.now() - this.#blindSince;
  }

  get history(): LedgerHistory | undefined {
    return this.#history;
  }

  /** One round. Never rejects. */
  async round(): Promise<void> {
    const { log, metrics, pool } = this.context;
    try {
      this.#history = await readHistory(pool.db);
      metrics.voidNumbers.set(this.#history.voids);
      metrics.deadLettersKept.set(this.#history.deadLetters);
      const round = await this.#live.round(this.hooks.shards());
      if (this.context.stopping.aborted) return;
      this.#findings = round.findings;
      this.#at = Date.now();
      if (this.#blindSince !== undefined) log.info("the audit can look again");
      this.#blindSince = undefined;
      metrics.auditRounds.inc();
      metrics.auditNumbers.inc(round.numbers);
      metrics.auditFindings.set(round.findings.length);
      await this.#act(round);
    } catch (error) {
      if (this.context.stopping.aborted) return;
      if (this.#blindSince === undefined) {
        log.warn({ reason: reasonOf(error) }, "the audit cannot look");
      }
      this.#blindSince ??= performance.now();
    }
  }

  async #act({ findings, epochs }: LiveRound): Promise<void> {
    const told = this.#told;
    this.#told = new Set(findings.map(nameOf));
    // Shards that have recovered since: what was found before is looked for again in the next round.
    const fenced = new Set<number>();
    for (const [saleId, found] of Map.groupBy(findings, (finding) => finding.saleId ?? 0)) {
      const shard = shardOf(saleId);
      const epoch = epochs.get(shard) ?? 0;
      if (found.some((finding) => !told.has(nameOf(finding)))) {
        this.context.log.error({ saleId, findings: found }, "a sale's numbers do not agree");
      }
      if (fenced.has(shard)) continue;
      const kinds = new Set(found.map(({ kind }) => kind));
      // What coupons have gone through since their grants is no reason to stop a sale.
      kinds.delete("coupon_counters");
      if (kinds.size === 0) continue;
      if (kinds.has("sale_missing")) await this.hooks.onMissing(saleId, epoch);
      else if (kinds.has("sale_broken")) {
        this.hooks.onLoss(shard, epoch, `sale ${saleId} lacks a counter in redis`);
      } else if (kinds.has("entries_lost")) {
        const { text } = found.find(({ kind }) => kind === "entries_lost") as Finding;
        this.hooks.onLoss(shard, epoch, `sale ${saleId}: ${text}`);
      } else if ((await this.#pause(saleId, shard, epoch)) === "fenced") fenced.add(shard);
    }
  }

  /** Undefined when it could not be asked for. */
  async #pause(saleId: number, shard: number, epoch: number): Promise<StateChange | undefined> {
    const { redis, pool, log, metrics } = this.context;
    try {
      const onUnfit: ChangesDeps["onUnfit"] = ({ action, change }) => {
        log.error({ saleId, action, change }, "a change that MySQL cannot hold is dropped");
        this.hooks.onLoss(shard, epoch, `sale ${saleId} has had a change that MySQL cannot hold`);
      };
      const change = await pauseSale({ redis, db: pool.db, onUnfit }, saleId, epoch);
      if (change !== "set") return change;
      metrics.auditPauses.inc();
      log.error({ saleId }, "the sale is paused; doorbuster audit tells what is wrong with it");
      return change;
    } catch (error) {
      // A Redis that accepts the gate and not this script was loaded by a version that did not have it.
      if (isFence(error)) this.hooks.onLoss(shard, epoch, reasonOf(error));
      log.warn({ saleId, reason: reasonOf(error) }, "the sale is not paused yet");
      return undefined;
    }
  }
}
