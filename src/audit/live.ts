// The audit as it runs inside the service, on the shards that this process writes. It asks the same questions as
// the command, a little at a time: the counters of every sale, the numbers that are new since the last round, and a
// slice of the older rows and winners, so that everything is looked at in time.

import { LRUCache } from "lru-cache";
import type { Claim } from "../grab/winners.ts";
import { winnersPage } from "../grab/winners.ts";
import { limits } from "../limits.ts";
import { shardKeys, shardOf } from "../redis/keys.ts";
import { warmSalesPage } from "../sales/stored.ts";
import { isWhole } from "./counters.ts";
import { inspectCoupons } from "./coupons.ts";
import type { SaleCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import { Doubts } from "./doubts.ts";
import type { Finding } from "./finding.ts";
import { inspectNumbers, type NumberFault } from "./inspect.ts";
import { counterFaultsOf, lookAtCounters } from "./look.ts";
import { findingsOf } from "./sale.ts";
import type { CountedSale } from "./sales.ts";
import { openEpoch } from "./shard.ts";
import { inspectBudget, inspectHeld } from "./tally.ts";

/** How far one sale has been looked at. */
interface Progress {
  /** Rows up to this number were looked at when they were new. */
  checked: number;
  /** The older rows up to this number have been looked at again. */
  slice: number;
  /** Where the scan of the winners goes on. */
  cursor: string;
  /** The turn in which the older rows were last looked at. */
  turn: number;
  /** Numbers that something was wrong with, and may still be. */
  wrong: readonly number[];
  /** Whatever its turn: the budget of its template was wrong and may still be, or there was no room to look at it. */
  budgetIsDue: boolean;
}

export interface LiveRound {
  /** What two looks have confirmed, of sales whose shard was open at one epoch all the time. */
  readonly findings: readonly Finding[];
  /** The epoch under which each shard was looked at. */
  readonly epochs: ReadonlyMap<number, number>;
  readonly sales: number;
  readonly numbers: number;
}

/** What is left of a round's bounds. */
class Budget {
  newNumbers: number = limits.auditLiveNewNumbersPerRound;
  oldNumbers: number = limits.auditLiveOldNumbersPerRound;
  budgetCoupons: number = limits.auditLiveBudgetCouponsPerRound;
  sales = 0;
  numbers = 0;
  /** Those whose budget was looked at. */
  readonly templates = new Set<number>();
  readonly doubts = new Doubts();
}

export class LiveAudit {
  readonly #progress = new LRUCache<number, Progress>({ max: limits.auditLiveSalesKept });
  /** Where the round of a shard's sales goes on. */
  readonly #after = new Map<number, number>();
  #rounds = 0;
  /** Counts how often every sale has had its turn to have a slice of its older rows looked at. */
  #turn = 1;

  constructor(
    readonly deps: AuditDeps,
    readonly stopping: AbortSignal,
  ) {}

  /** One round over these shards. Throws when a server does not answer: then nothing is said. */
  async round(shards: readonly number[]): Promise<LiveRound> {
    const budget = new Budget();
    const epochs = new Map<number, number>();
    // Each round begins with another shard, so that no sale is always last.
    const first = this.#rounds++ % Math.max(1, shards.length);
    for (const shard of [...shards.slice(first), ...shards.slice(0, first)]) {
      if (this.stopping.aborted) break;
      const epoch = await openEpoch(this.deps, shard);
      if (epoch === undefined) continue;
      epochs.set(shard, epoch);
      await this.#lookAtShard(
        shard,
        Math.ceil(limits.auditLiveSalesPerRound / shards.length),
        budget,
      );
    }
    if (budget.oldNumbers > 0) this.#turn += 1;
    const findings: Finding[] = [];
    const confirmed = await budget.doubts.confirmed(limits.auditSecondLookMs, this.stopping);
    for (const [saleId, faults] of confirmed) {
      const shard = shardOf(saleId);
      // A recovery has come in between, and compares by itself.
      if ((await openEpoch(this.deps, shard)) !== epochs.get(shard)) continue;
      findings.push(...findingsOf(saleId, faults));
      this.#remember(saleId, faults);
    }
    return { findings, epochs, sales: budget.sales, numbers: budget.numbers };
  }

  /** What was wrong is asked again in each round, until it is right. */
  #remember(saleId: number, faults: readonly NumberFault[]): void {
    const progress = this.#progress.get(saleId);
    if (!progress) return;
    const wrong = faults.flatMap(({ number }) => (number === undefined ? [] : [number]));
    progress.wrong = wrong.slice(0, limits.auditInspectedAtOnce);
    progress.budgetIsDue = faults.some(
      ({ kind, number }) => kind === "coupon_counters" && number === undefined,
    );
  }

  /** Those that sell now, and then all, as far as the last round has not come. */
  async #lookAtShard(shard: number, salesMax: number, budget: Budget): Promise<void> {
    const selling = new Set(await this.#selling(shard));
    await this.#lookAtSales(shard, [...selling], budget);
    for (let left = salesMax; left > 0 && !this.stopping.aborted; ) {
      const page = await warmSalesPage(
        this.deps.pool.db,
        shard,
        this.#after.get(shard) ?? 0,
        limits.auditSalesPerCut,
      );
      const last = page.at(-1)?.id ?? 0;
      const end = page.length < limits.auditSalesPerCut;
      this.#after.set(shard, end ? 0 : last);
      const others = page.map(({ id }) => id).filter((id) => !selling.has(id));
      await this.#lookAtSales(shard, others, budget);
      if (end) return;
      left -= page.length;
    }
  }

  async #selling(shard: number): Promise<number[]> {
    const { unrecorded } = shardKeys(shard);
    const ids = await this.deps.redis.srandmember(unrecorded, limits.auditSalesPerCut);
    return ids.map(Number);
  }

  async #lookAtSales(shard: number, ids: readonly number[], budget: Budget): Promise<void> {
    if (ids.length === 0) return;
    budget.sales += ids.length;
    const { cut, rows, faults } = await lookAtCounters(this.deps, shard, ids);
    for (const saleId of faults.keys()) {
      await budget.doubts.add(saleId, () => counterFaultsOf(this.deps, shard, saleId));
    }
    for (const saleId of ids) {
      if (this.stopping.aborted) return;
      const [row, at] = [rows.get(saleId), cut.sales.get(saleId)];
      if (row && at && isWhole(at)) await this.#lookAtNumbers(row, at, budget);
    }
  }

  async #lookAtNumbers(row: CountedSale, at: SaleCut, budget: Budget): Promise<void> {
    // What only one of the two has is a matter of the counters.
    const recorded = Math.min(row.granted, at.granted);
    const progress = this.#progress.get(row.id) ?? {
      ...{ checked: recorded, slice: 0, cursor: "0", turn: 0, wrong: [], budgetIsDue: false },
    };
    this.#progress.set(row.id, progress);
    const isItsTurn = progress.turn !== this.#turn && budget.oldNumbers > 0;
    const numbers = new Set(progress.wrong);
    progress.wrong = [];
    const most = Math.min(budget.newNumbers, limits.auditLiveSlice);
    const until = Math.min(recorded, progress.checked + most);
    for (let number = progress.checked + 1; number <= until; number += 1) numbers.add(number);
    budget.newNumbers -= Math.max(0, until - progress.checked);
    progress.checked = Math.max(progress.checked, until);
    const claims = await this.#nextSlice(row.id, recorded, progress, numbers, budget);
    if (isItsTurn || progress.budgetIsDue) await this.#lookAtBudget(row, progress, budget);
    if (numbers.size === 0) return;
    budget.numbers += numbers.size;
    await budget.doubts.add(row.id, () => inspectNumbers(this.deps, row, numbers, claims));
    // What a coupon has gone through since is no reason to stop a sale.
    const coupons = () => inspectCoupons(this.deps, row, numbers, { history: false });
    await budget.doubts.add(row.id, coupons);
    await budget.doubts.add(row.id, () => inspectHeld(this.deps, row, numbers));
  }

  /** Of each template once in a round, by whichever of its sales comes first. */
  async #lookAtBudget(row: CountedSale, progress: Progress, budget: Budget): Promise<void> {
    const { templateId } = row;
    const room = budget.budgetCoupons;
    progress.budgetIsDue = room <= 0;
    if (budget.templates.has(templateId) || room <= 0) return;
    budget.templates.add(templateId);
    await budget.doubts.add(row.id, async () => {
      const { faults, coupons, waits = false } = await inspectBudget(this.deps, templateId, room);
      progress.budgetIsDue = waits;
      // A small template costs its round trips.
      budget.budgetCoupons -= Math.max(limits.auditLiveSmallest, coupons);
      return faults;
    });
  }

  /** Adds the numbers of the next older rows and of the next winners, when it is this sale's turn. */
  async #nextSlice(
    saleId: number,
    recorded: number,
    progress: Progress,
    numbers: Set<number>,
    budget: Budget,
  ): Promise<Claim[]> {
    if (progress.turn === this.#turn || budget.oldNumbers <= 0 || recorded === 0) return [];
    progress.turn = this.#turn;
    const end = Math.min(recorded, progress.slice + limits.auditLiveSlice);
    for (let number = progress.slice + 1; number <= end; number += 1) numbers.add(number);
    // A small sale costs its round trips.
    budget.oldNumbers -= Math.max(limits.auditLiveSmallest, end - progress.slice);
    progress.slice = end >= recorded ? 0 : end;
    const page = await winnersPage(this.deps.redis, saleId, progress.cursor);
    progress.cursor = page.next;
    // Those that MySQL does not have yet are new, and have their turn when it has them.
    const claims = page.claims.filter(({ number }) => number <= recorded);
    for (const { number } of claims) numbers.add(number);
    return claims;
  }
}
