// One kind of thing through the three levels; levels.ts says why it is right.

import { LRUCache } from "lru-cache";
import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";
import type { Redis } from "../redis/client.ts";
import { createTurns } from "../turns.ts";
import type { Kind } from "./changes.ts";
import type { KindCounts } from "./counts.ts";
import { Memory, type Slot } from "./memory.ts";
import { askShared, fillShared, type Shared } from "./shared.ts";

export type { Slot } from "./memory.ts";

export interface LookupOptions<Key, Value> {
  readonly kind: Kind;
  readonly entriesMax: number;
  /** Of JSON text and what an entry takes besides; `cacheBytesMax` where it is not said. */
  readonly bytesMax?: number;
  /** Undefined: there is none. What it gives is put into Redis as JSON. */
  readonly load: (key: Key) => Promise<Value | undefined>;
  /** Throws when the text is not a value, as from another version; it is then loaded anew. */
  readonly parse: (json: string) => Value;
}

/** What a look-up needs of the levels around it. */
export interface Around {
  readonly redis: Redis;
  readonly counts: KindCounts;
  readonly now: () => number;
  /** Until when memory is believed. */
  readonly trustedUntil: () => number;
  /** True while Redis does not know of a change yet that this process has made. */
  readonly owes: (key: string | number) => boolean;
}

/** A load under way. A fenced one began before a change: its value is kept nowhere. */
interface Flight<Value> {
  fenced: boolean;
  /** When it began, by the clock of the levels: what it brings may be as old as that. */
  readonly since: number;
  readonly found: Promise<Value | undefined>;
  /** A load that goes on after an old value was given for it. */
  rest?: Promise<unknown>;
}

const TOO_LATE = Symbol("too late");

async function within<Result>(
  work: Promise<Result>,
  milliseconds: number,
): Promise<Result | typeof TOO_LATE> {
  const { promise, resolve } = Promise.withResolvers<typeof TOO_LATE>();
  const timer = setTimeout(() => resolve(TOO_LATE), milliseconds);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

export class Lookup<Key extends string | number, Value extends object> {
  readonly #memory: Memory<Key, Value>;
  /** What there was none of when this process looked, and how long that is believed. */
  readonly #absent = new LRUCache<Key, number>({ max: limits.cacheUnknownMax });
  readonly #flights = new Map<Key, Flight<Value>>();
  readonly #turns = createTurns({
    atOnce: limits.cacheLoadsAtOnce,
    waitersMax: limits.cacheLoadsWaitingMax,
    waitMsMax: limits.cacheLoadWaitMsMax,
  });

  constructor(
    private readonly options: LookupOptions<Key, Value>,
    private readonly around: Around,
  ) {
    const { entriesMax, bytesMax = limits.cacheBytesMax } = options;
    this.#memory = new Memory({ entriesMax, bytesMax, ttlMs: limits.cacheMemorySeconds * 1_000 });
  }

  /** Memory only, synchronous. Where it has nothing `get` is to follow, which counts that. */
  peek(key: Key): Value | undefined {
    const at = this.around.now();
    return this.#used(this.#memory.find(key, at), at);
  }

  /**
   * What memory has, to be kept under another name and read with `read`: it becomes undefined when the thing changes.
   * Not a use.
   */
  slot(key: Key): Slot<Value> | undefined {
    const slot = this.#memory.peek(key);
    return slot && this.#isGood(slot, this.around.now()) ? slot : undefined;
  }

  /** What a kept slot holds now; counts as a use. */
  read(slot: Slot<Value>): Value | undefined {
    if (slot.value === undefined) return undefined;
    const value = this.#used(slot, this.around.now());
    if (value !== undefined) this.#memory.count(slot);
    return value;
  }

  /**
   * Memory, Redis, loader. Undefined: there was no such thing in the last `cacheUnknownSeconds`, and this process has
   * not heard that there is one since. Throws the loader's error, or Overloaded when too many loads of this kind wait
   * for their turn. Without Redis asks the loader.
   */
  async get(key: Key): Promise<Value | undefined> {
    const at = this.around.now();
    const hit = this.#used(this.#memory.get(key, at), at);
    if (hit !== undefined) return hit;
    if (this.#isAbsent(key, at)) {
      this.around.counts.memory.none++;
      return undefined;
    }
    this.around.counts.memory.miss++;
    return this.loading(key) ?? this.#start(key).found;
  }

  /** What `get` would wait for, where somebody has asked already. */
  loading(key: Key): Promise<Value | undefined> | undefined {
    const flight = this.#flights.get(key);
    return flight && this.#isHeardOf(flight.since, this.around.now()) ? flight.found : undefined;
  }

  /** What is in memory of it is gone, and what is being loaded is kept nowhere. */
  drop(key: Key): void {
    this.#memory.delete(key);
    this.#absent.delete(key);
    this.#fence(key);
  }

  dropAll(): void {
    this.#memory.clear();
    this.#absent.clear();
    for (const key of this.#flights.keys()) this.#fence(key);
  }

  /** Entries and bytes in memory. */
  get size(): { entries: number; bytes: number } {
    const { entries, bytes } = this.#memory;
    return { entries, bytes };
  }

  #used(slot: Slot<Value> | undefined, at: number): Value | undefined {
    if (slot === undefined || !this.#isGood(slot, at)) return undefined;
    this.around.counts.memory.hit++;
    return slot.value;
  }

  #isGood({ since, until }: Slot<Value>, at: number): boolean {
    return at < until && this.#isHeardOf(since, at);
  }

  /** Whether a change of what was there at `since` would be known, or that was a moment ago. */
  #isHeardOf(since: number, at: number): boolean {
    return at < this.around.trustedUntil() || at < since + limits.cacheBlindMs;
  }

  /** Stricter than for values: who has just made something may look for it on another process at once. */
  #isAbsent(key: Key, at: number): boolean {
    return at < (this.#absent.get(key) ?? 0) && at < this.around.trustedUntil();
  }

  #fence(key: Key): void {
    const flight = this.#flights.get(key);
    if (!flight) return;
    flight.fenced = true;
    this.#flights.delete(key);
  }

  #start(key: Key): Flight<Value> {
    this.#fence(key);
    const flight: Flight<Value> = {
      fenced: false,
      since: this.around.now(),
      found: Promise.resolve().then(() => this.#fetch(key, flight)),
    };
    this.#flights.set(key, flight);
    const ended = async () => {
      await flight.rest;
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.found.then(ended, ended);
    return flight;
  }

  async #fetch(key: Key, flight: Flight<Value>): Promise<Value | undefined> {
    const shared = await this.#ask(key);
    if (shared?.kind === "none") return undefined;
    const value = shared?.kind === "value" ? this.#parsed(shared.json) : undefined;
    if (shared?.kind !== "value" || value === undefined) return this.#fill(key, shared, flight);
    if (!shared.isFresh) return this.#refreshed(key, value, shared, flight);
    this.#keep(key, value, shared.json, flight);
    return value;
  }

  /** Loads, and puts what comes into memory and Redis. */
  async #fill(
    key: Key,
    shared: Exclude<Shared, { kind: "none" }> | undefined,
    flight: Flight<Value>,
  ): Promise<Value | undefined> {
    const loaded = await this.#load(key);
    const json = loaded === undefined ? undefined : JSON.stringify(loaded);
    if (loaded !== undefined && json !== undefined) this.#keep(key, loaded, json, flight);
    else this.#lack(key, flight);
    // Redis decides by the lease whether it is still welcome; asking it to would be of no use after a fence.
    if (shared && !flight.fenced) {
      const what = { kind: this.options.kind, key };
      fillShared(this.around.redis, what, shared, json).catch(() => undefined);
    }
    return loaded;
  }

  /**
   * The value as it is in MySQL, or the old one where MySQL does not say: in time, for one that has merely grown old,
   * or at all, for one that may have changed.
   */
  async #refreshed(
    key: Key,
    old: Value,
    shared: Extract<Shared, { kind: "value" }>,
    flight: Flight<Value>,
  ): Promise<Value | undefined> {
    const loading = this.#fill(key, shared, flight);
    flight.rest = loading.catch(() => undefined);
    try {
      const found = await (shared.isVoid ? loading : within(loading, limits.cacheStaleWaitMs));
      if (found !== TOO_LATE) return found;
    } catch {
      // The old one is better than nothing.
    }
    const ageMs = this.around.now() - flight.since;
    this.#keep(key, old, shared.json, flight, ageMs + limits.cacheStaleMemoryMs);
    return old;
  }

  /** Undefined when Redis cannot be asked, or must not be believed. */
  async #ask(key: Key): Promise<Shared | undefined> {
    const { redis, owes, counts } = this.around;
    if (owes(key)) return undefined;
    try {
      const shared = await askShared(redis, { kind: this.options.kind, key });
      counts.redis[shared.kind === "value" ? "hit" : shared.kind === "none" ? "none" : "miss"]++;
      return shared;
    } catch {
      counts.redis.away++;
      return undefined;
    }
  }

  #parsed(json: string): Value | undefined {
    try {
      return this.options.parse(json);
    } catch {
      return undefined;
    }
  }

  #keep(key: Key, value: Value, json: string, flight: Flight<Value>, ttlMs?: number): void {
    if (!flight.fenced) this.#memory.set(key, value, json.length, flight.since, ttlMs);
  }

  /**
   * Only what was looked for here is remembered: what Redis knows of has been so for a time already. From the question
   * on: what was made while a slow answer was on its way is not in it.
   */
  #lack(key: Key, flight: Flight<Value>): void {
    const until = flight.since + limits.cacheUnknownSeconds * 1_000;
    if (!flight.fenced) this.#absent.set(key, until);
  }

  /** A page's things come at once and go to MySQL a few at a time, so that its pool has room for others. */
  async #load(key: Key): Promise<Value | undefined> {
    const turn = await this.#turns.run(() => this.#loadNow(key));
    if (turn === "busy") throw new Overloaded("too many loads wait");
    return turn.result;
  }

  async #loadNow(key: Key): Promise<Value | undefined> {
    const { mysql } = this.around.counts;
    try {
      const loaded = await this.options.load(key);
      mysql[loaded === undefined ? "none" : "hit"]++;
      return loaded;
    } catch (error) {
      mysql.failed++;
      throw error;
    }
  }
}
