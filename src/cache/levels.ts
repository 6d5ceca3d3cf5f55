// Three levels for what changes rarely: memory, then Redis, then the loader (MySQL).
//
//   const levels = createLevels({ redis, subscriber, log });
//   const templates = levels.lookup<number, TemplateFacts>({
//     kind: "template",
//     entriesMax: limits.cacheTemplatesMax,
//     load: (id) => loadTemplate(db, id),            // undefined: there is none
//     parse: (json) => factsSchema.parse(JSON.parse(json)),
//   });
//   templates.peek(7);                               // memory only, synchronous
//   await templates.get(7);                          // memory, Redis, MySQL
//   await levels.changed({ kind: "template", key: 7 });   // after COMMIT, before the answer
//   await templates.renew(7);                        // the same, and loads it again: after it was made
//
// A value is JSON: dates are texts or numbers. It is shared by all who ask, so nobody changes it.
//
// Why nothing old stays: a change first takes value and lease out of Redis and tells everybody (shared.ts), so a
// loader that began before cannot put its value there; and in each process it fences the loads under way for that
// key, so what they bring is given to those who have asked already, and kept nowhere. A process that cannot be
// told (feed.ts) believes what it has for `cacheTrustMs` after its last proof that it has heard everything, and
// from then on only what it loaded in the last `cacheBlindMs`.

import { randomUUID } from "node:crypto";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { type Change, type Changes, EVERYTHING, type Kind, type Message } from "./changes.ts";
import { CacheCounts } from "./counts.ts";
import { Feed } from "./feed.ts";
import { Lookup, type LookupOptions } from "./lookup.ts";
import { announce } from "./shared.ts";

export type { Change, Changes, Kind } from "./changes.ts";
export { nameOfSale } from "./changes.ts";
export type { Lookup, LookupOptions, Slot } from "./lookup.ts";

export interface LevelsDeps {
  readonly redis: Redis;
  /** Used for nothing but subscriptions. */
  readonly subscriber: Redis;
  readonly log: Log;
  /** Milliseconds that only grow; tests pass one that they move. */
  readonly now?: () => number;
}

/** Is told of every change, also of those of this process; must not throw. */
export type ChangeListener = (changes: Changes) => void;

type AnyLookup = Lookup<never, object>;

export class Levels {
  readonly counts = new CacheCounts();
  readonly #from = randomUUID();
  readonly #lookups = new Map<Kind, AnyLookup[]>();
  readonly #listeners: ChangeListener[] = [];
  /** Changes that Redis does not know of yet. Redis is not asked for what they concern. */
  #owed: Map<string, Change> | typeof EVERYTHING = new Map();
  readonly #feed: Feed;
  readonly #now: () => number;

  constructor(private readonly deps: LevelsDeps) {
    const { redis, subscriber, log, now = () => performance.now() } = deps;
    this.#now = now;
    this.#feed = new Feed(
      { redis, subscriber, log, now },
      {
        heard: (message) => this.#heard(message),
        lost: () => this.#drop(EVERYTHING),
        current: () => this.#pay(),
      },
    );
  }

  /** Begins to hear of changes. Until it does, and after `stop`, memory is good for `cacheBlindMs`. */
  start(): void {
    this.#feed.start();
  }

  stop(): Promise<void> {
    return this.#feed.stop();
  }

  /** True while no change can have been missed. */
  isTrusted(): boolean {
    return this.#now() < this.#feed.trustedUntil;
  }

  /** Milliseconds that only grow, for `believes`. */
  now(): number {
    return this.#now();
  }

  /** True while what was put into a memory of one's own at `since`, and not dropped by `onChange`, is to be believed. */
  believes(since: number): boolean {
    return this.isTrusted() || this.#now() < since + limits.cacheBlindMs;
  }

  /** One kind may be looked up in several ways; each has a memory of its own, and they share Redis. */
  lookup<Key extends string | number, Value extends object>(
    options: LookupOptions<Key, Value>,
  ): RenewableLookup<Key, Value> {
    const { kind } = options;
    const lookup = new Lookup(options, {
      redis: this.deps.redis,
      counts: this.counts.of(kind),
      now: this.#now,
      trustedUntil: () => this.#feed.trustedUntil,
      owes: (key) => this.#owed === EVERYTHING || this.#owed.has(nameOf({ kind, key })),
    });
    const known = this.#lookups.get(kind) ?? [];
    this.#lookups.set(kind, [...known, lookup as unknown as AnyLookup]);
    const renew = async (key: Key): Promise<void> => {
      await this.changed({ kind, key });
      await lookup.get(key).catch(() => undefined);
    };
    return Object.assign(lookup, { renew });
  }

  /** What is in memory, by kind. */
  sizes(): [Kind, { entries: number; bytes: number }][] {
    return [...this.#lookups].map(([kind, lookups]) => {
      const sizes = lookups.map(({ size }) => size);
      const entries = sizes.reduce((sum, size) => sum + size.entries, 0);
      return [kind, { entries, bytes: sizes.reduce((sum, size) => sum + size.bytes, 0) }];
    });
  }

  /** For what is derived from cached things and kept elsewhere. */
  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /**
   * To be called after COMMIT and before the answer. When it resolves, this process gives nothing old any more, nor
   * does Redis; the others are told. Never throws: while Redis is away it is told later, and until then this
   * process does not believe it.
   */
  async changed(...changes: Change[]): Promise<void> {
    this.#drop(changes);
    try {
      await announce(this.deps.redis, this.#from, changes);
    } catch (error) {
      this.deps.log.debug({ reason: reasonOf(error) }, "a change will be told later");
      this.#owe(changes);
    }
    // Between the first drop and Redis's answer somebody may have read the old value there.
    this.#drop(changes);
  }

  #heard({ from, changes }: Message): void {
    if (from !== this.#from) this.#drop(changes);
  }

  #drop(changes: Changes): void {
    if (changes === EVERYTHING) {
      for (const lookups of this.#lookups.values()) for (const lookup of lookups) lookup.dropAll();
    } else {
      for (const { kind, key } of changes) {
        for (const lookup of this.#lookups.get(kind) ?? []) lookup.drop(key as never);
      }
    }
    for (const listener of this.#listeners) listener(changes);
  }

  #owe(changes: readonly Change[]): void {
    if (this.#owed === EVERYTHING) return;
    for (const change of changes) this.#owed.set(nameOf(change), change);
    if (this.#owed.size > limits.cacheOwedMax) this.#owed = EVERYTHING;
  }

  /** Tells Redis what it does not know yet. Throws its error. */
  async #pay(): Promise<void> {
    const owed = this.#owed;
    if (owed !== EVERYTHING && owed.size === 0) return;
    const changes = owed === EVERYTHING ? owed : [...owed.values()];
    await announce(this.deps.redis, this.#from, changes);
    this.#drop(changes);
    if (owed === EVERYTHING) this.#owed = new Map();
    else for (const change of changes as readonly Change[]) owed.delete(nameOf(change));
  }
}

export type RenewableLookup<Key extends string | number, Value extends object> = Lookup<
  Key,
  Value
> & {
  /** `changed`, and then `get`: Redis and this process have the new value, unless a server is away. */
  renew(key: Key): Promise<void>;
};

const nameOf = ({ kind, key }: Change): string => `${kind} ${typeof key} ${key}`;

export const createLevels = (deps: LevelsDeps): Levels => new Levels(deps);
