// What moves of sales, told to all who watch them.
//
// How the numbers get here: grabs publish nothing, a grab must not get dearer because somebody watches. Instead one
// timer asks Redis every `eventLookMs` for all sales that are watched on this process, in one pipeline, however many
// clients watch each; without clients there is no timer. Besides, the process has one subscription to changes of sales
// (src/cache/levels.ts: a pause, a restock, an edit by any process, or behind the service's back). It only makes the
// next look come at once: a message that is lost costs `eventLookMs`, and nothing else.
//
// A sale whose numbers cannot be read for `eventStaleMs`, because Redis is away, its shard is being rebuilt or its hash
// is not whole, gets an event `unavailable`, heart-beats, and its state as soon as there is one again. One that there
// is no more gets its streams ended; whoever comes back is told that there is no such sale.

import type { Changes } from "../cache/changes.ts";
import { EVERYTHING } from "../cache/changes.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { EventClient } from "./client.ts";
import { Delivery } from "./delivery.ts";
import { readFacts, type WatchedFacts } from "./facts.ts";
import { retryMessage } from "./message.ts";
import { WatchedSale } from "./watched.ts";

interface EventsDeps {
  readonly redis: Redis;
  readonly levels: { onChange(listener: (changes: Changes) => void): void };
  /** Whether there is such a sale; asked where Redis does not have one. */
  readonly exists: (saleId: number) => Promise<boolean>;
  readonly log: Log;
}

const retryMs = (): number =>
  limits.eventRetryMsMin +
  Math.floor(Math.random() * (limits.eventRetryMsMax - limits.eventRetryMsMin));

export class SaleEvents {
  readonly #sales = new Map<number, WatchedSale>();
  readonly #delivery = new Delivery();
  /** To be asked for with the next look. */
  readonly #due = new Set<WatchedSale>();
  #clients = 0;
  #looking = false;
  #failures = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  constructor(private readonly deps: EventsDeps) {
    deps.levels.onChange((changes) => this.#changed(changes));
  }

  /** How many clients are connected. */
  get clients(): number {
    return this.#clients;
  }

  /** One more client of a sale that exists; undefined when this process has no room for it, or stops. */
  watch(saleId: number): EventClient | undefined {
    const sale = this.#sales.get(saleId);
    const isFull =
      this.#clients >= limits.eventClientsMax ||
      (!sale && this.#sales.size >= limits.eventSalesMax);
    if (isFull || this.#stopped) return undefined;
    const joined = sale ?? this.#begin(saleId);
    const client = new EventClient((left) => this.#left(joined, left));
    joined.clients.add(client);
    this.#clients += 1;
    client.send(retryMessage(retryMs()));
    if (joined.state) client.send(joined.state);
    return client;
  }

  /** Ends all streams; there are no new ones. */
  stop(): void {
    this.#stopped = true;
    for (const sale of this.#sales.values()) this.#end(sale);
  }

  #begin(saleId: number): WatchedSale {
    const sale = new WatchedSale(saleId, performance.now());
    this.#sales.set(saleId, sale);
    this.#timer ??= setInterval(() => this.#tick(), limits.eventLookMs);
    this.#ask(sale);
    return sale;
  }

  #left(sale: WatchedSale, client: EventClient): void {
    sale.clients.delete(client);
    this.#clients -= 1;
    if (sale.clients.size > 0) return;
    this.#sales.delete(sale.saleId);
    this.#due.delete(sale);
    if (this.#sales.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #end(sale: WatchedSale): void {
    for (const client of sale.clients) client.end();
  }

  #tick(): void {
    const now = performance.now();
    for (const sale of this.#sales.values()) {
      // What is still being told must not be replaced by a heart-beat.
      if (!this.#delivery.isUnderWay(sale) && sale.pass(now)) this.#delivery.start(sale);
      this.#ask(sale);
    }
  }

  #changed(changes: Changes): void {
    if (changes === EVERYTHING) {
      for (const sale of this.#sales.values()) this.#ask(sale);
      return;
    }
    for (const { kind, key } of changes) {
      const sale = kind === "sale" ? this.#sales.get(Number(key)) : undefined;
      if (sale) this.#ask(sale);
    }
  }

  /** Not more often than every `eventGapMs`: the next tick asks for what was asked for just now. */
  #ask(sale: WatchedSale): void {
    if (performance.now() - sale.askedAt < limits.eventGapMs) return;
    this.#due.add(sale);
    if (!this.#looking) void this.#look();
  }

  /** Asks until nothing is due; what becomes due meanwhile waits, so one read is under way at most. */
  async #look(): Promise<void> {
    this.#looking = true;
    // Whoever comes in the same moment is in the same pipeline.
    await Promise.resolve();
    while (this.#due.size > 0) {
      const asked = [...this.#due];
      this.#due.clear();
      const now = performance.now();
      for (const sale of asked) sale.askedAt = now;
      const ids = asked.map(({ saleId }) => saleId);
      // Nobody waits for this: what got out of here would end the process, and no sale would be asked for again.
      try {
        this.#take(asked, await readFacts(this.deps.redis, ids));
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#looking = false;
  }

  #take(asked: readonly WatchedSale[], found: ReadonlyMap<number, WatchedFacts>): void {
    const now = performance.now();
    for (const sale of asked) {
      const facts = found.get(sale.saleId);
      if (!facts || facts.state === "deleted") void this.#endIfGone(sale);
      else if (sale.take(facts, now)) this.#delivery.start(sale);
    }
    if (this.#failures > 1) this.deps.log.info("the numbers of sales are told again");
    this.#failures = 0;
  }

  /** One failure is a connection that is being opened again. */
  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures !== 2) return;
    this.deps.log.warn({ reason: reasonOf(error) }, "the numbers of sales cannot be read");
  }

  async #endIfGone(sale: WatchedSale): Promise<void> {
    const exists = await this.deps.exists(sale.saleId).catch(() => true);
    if (!exists) this.#end(sale);
  }
}
