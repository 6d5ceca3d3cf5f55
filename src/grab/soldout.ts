// After a sale is sold out this process may answer from memory, exactly: those who have won get their grant,
// the rest "sold out". A snapshot is the whole winners hash, and counts only if the sale's numbers were the
// same before and after the scan: then nobody won in between. It is dropped when those numbers move (a
// return, a restock, a pause), which is asked again at least every second while it is used, and when the gate
// closes or opens anew. It answers until the sale's end, by Redis's clock. A sale with a limit above one has none:
// what a user is told there depends on the key as well.

import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import type { Gates, OpenGate } from "./gates.ts";
import { type GrabOutcome, outcomeOf } from "./outcome.ts";

interface Snapshot {
  readonly gate: OpenGate;
  /** The numbers it was taken under, as one text. */
  readonly numbers: string;
  readonly winners: Map<string, number>;
  checkedAt: number;
  /** When the sale may have ended by Redis's clock, in this process's time. */
  endsAt: number;
  checking: boolean;
}

/** A sale that is open and sold out, at one moment. */
interface Numbers {
  /** All of them, as one text. */
  readonly text: string;
  readonly winners: number;
  /** When they were asked for: they were true then or later, not when the answer arrived. */
  readonly askedAt: number;
  readonly endsAt: number;
}

const SOLD_OUT = outcomeOf("sold_out");

export class SoldOut {
  readonly #snapshots = new Map<number, Snapshot>();
  readonly #taking = new Set<number>();
  /** Sales that could have no snapshot, and when they are looked at again. */
  readonly #unfit = new Map<number, number>();
  #winners = 0;

  constructor(readonly deps: { redis: Redis; gates: Gates; clock: Clock; log: Log }) {}

  /** The exact answer, or undefined when Redis must be asked. */
  answer(saleId: number, userId: string): GrabOutcome | undefined {
    const snapshot = this.#snapshots.get(saleId);
    if (!snapshot) return undefined;
    const age = this.deps.clock.now() - snapshot.checkedAt;
    if (this.deps.gates.at(shardOf(saleId)) !== snapshot.gate || age < 0) {
      this.#drop(saleId);
      return undefined;
    }
    if (age > limits.soldOutRefreshMs && !snapshot.checking) void this.#check(saleId, snapshot);
    if (age > limits.soldOutTrustMs || this.deps.clock.now() >= snapshot.endsAt) return undefined;
    const number = snapshot.winners.get(userId);
    return number === undefined ? SOLD_OUT : { kind: "repeated", number };
  }

  /** Called when Redis has said "sold out" under `gate`: takes a snapshot unless there is one. */
  notice(saleId: number, gate: OpenGate): void {
    if (this.#snapshots.has(saleId) || this.#taking.has(saleId) || this.#isUnfit(saleId)) return;
    this.#taking.add(saleId);
    this.#take(saleId, gate)
      .catch((error) => this.deps.log.debug({ saleId, reason: String(error) }, "no snapshot"))
      .finally(() => this.#taking.delete(saleId));
  }

  /** The sale has changed: what was known of it is over. */
  changed(saleId: number): void {
    this.#unfit.delete(saleId);
    this.#drop(saleId);
  }

  async #take(saleId: number, gate: OpenGate): Promise<void> {
    const before = await this.#numbers(saleId);
    if (!before || before.winners > limits.soldOutWinnersMax) {
      if (this.#unfit.size >= limits.soldOutUnfitSalesMax) this.#unfit.clear();
      this.#unfit.set(saleId, this.deps.clock.now() + limits.soldOutTrustMs);
      return;
    }
    const winners = await this.#scan(saleId);
    const after = await this.#numbers(saleId);
    if (!winners || after?.text !== before.text) return;
    while (this.#winners + winners.size > limits.soldOutWinnersTotalMax) {
      const oldest = this.#snapshots.keys().next().value;
      if (oldest === undefined) return;
      this.#drop(oldest);
    }
    this.#winners += winners.size;
    this.#snapshots.set(saleId, {
      gate,
      numbers: before.text,
      winners,
      ...{ checkedAt: before.askedAt, endsAt: before.endsAt },
      checking: false,
    });
  }

  #isUnfit(saleId: number): boolean {
    return this.deps.clock.now() < (this.#unfit.get(saleId) ?? 0);
  }

  /** Undefined unless the sale is open, sold out, of limit one, and not over. */
  async #numbers(saleId: number): Promise<Numbers | undefined> {
    const { redis, clock } = this.deps;
    const askedAt = clock.now();
    const [time, facts] = await Promise.all([
      redis.time(),
      redis.hmget(
        saleKeys(saleId).sale,
        ...["state", "total", "granted", "returned", "limit", "closes"],
      ),
    ]);
    const [state, total, granted, returned, limit, closes] = facts;
    const active = Number(granted) - Number(returned);
    // Written so that a counter that is not a number gives no snapshot.
    if (!(active >= Number(total))) return undefined;
    if (state !== "open" || limit !== "1") return undefined;
    const [seconds, microseconds] = time.map(Number) as [number, number];
    const leftMs =
      closes == null ? Infinity : Number(closes) - seconds * 1_000 - microseconds / 1_000;
    if (!(leftMs > 0)) return undefined;
    return { text: facts.join(" "), winners: active, askedAt, endsAt: askedAt + leftMs };
  }

  async #scan(saleId: number): Promise<Map<string, number> | undefined> {
    const winners = new Map<string, number>();
    let cursor = "0";
    do {
      const [next, pairs] = await this.deps.redis.hscan(
        saleKeys(saleId).winners,
        cursor,
        "COUNT",
        limits.winnersPerPage,
      );
      for (let i = 0; i < pairs.length; i += 2) {
        // By slot, as grab.lua writes it; a slot that has been given back is empty.
        const held = /(?:^|,)(\d+)/.exec(pairs[i + 1] ?? "");
        if (held) winners.set(pairs[i] ?? "", Number(held[1]));
      }
      if (winners.size > limits.soldOutWinnersMax) return undefined;
      cursor = next;
    } while (cursor !== "0");
    return winners;
  }

  async #check(saleId: number, snapshot: Snapshot): Promise<void> {
    snapshot.checking = true;
    try {
      const numbers = await this.#numbers(saleId);
      if (numbers?.text !== snapshot.numbers) this.#drop(saleId);
      else {
        snapshot.checkedAt = numbers.askedAt;
        snapshot.endsAt = numbers.endsAt;
      }
    } catch {
      // Redis is away; the snapshot ages until it is not trusted any more.
    } finally {
      snapshot.checking = false;
    }
  }

  #drop(saleId: number): void {
    const snapshot = this.#snapshots.get(saleId);
    if (!snapshot) return;
    this.#snapshots.delete(saleId);
    this.#winners -= snapshot.winners.size;
  }
}
