// The memory level: W-TinyLFU over two LRU lists (the paper is named in frequency.ts). What is new enters a window
// of one percent; what falls out of the window gets into the main part only if it was asked for more often lately
// than what it would push out. So a scan, or a crowd of names that are asked for once, passes through the window
// and leaves what is popular where it is. Bounded by entries and by bytes: something large must be worth more than
// all it pushes out together (G. Einziger and others: "Lightweight Robust Size Aware Cache Management", 2021).

import { LRUCache } from "lru-cache";
import { Frequency } from "./frequency.ts";

const WINDOW_SHARE = 0.01;
const PROTECTED_SHARE = 0.8;
/** What an entry takes besides its text: slot, lists, key. */
const ENTRY_BYTES = 200;

/** One thing in memory. Whoever keeps a slot sees at once when its value was taken away. */
export interface Slot<Value> {
  /** Undefined from the moment it was removed, pushed out or replaced. */
  readonly value: Value | undefined;
  /** When it ends anyway, milliseconds of the memory's clock. */
  readonly until: number;
  /** When it was put in. */
  readonly since: number;
}

interface OwnSlot<Key, Value> extends Slot<Value> {
  value: Value | undefined;
  readonly key: Key;
  readonly bytes: number;
  readonly hash: number;
}

export interface MemoryOptions {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly ttlMs: number;
}

type List<Key extends string | number, Value> = LRUCache<Key, OwnSlot<Key, Value>>;

export class Memory<Key extends string | number, Value extends object> {
  readonly #frequency: Frequency;
  readonly #window: List<Key, Value>;
  readonly #probation: List<Key, Value>;
  readonly #protected: List<Key, Value>;
  readonly #mainEntries: number;
  readonly #mainBytes: number;
  readonly #ttlMs: number;

  constructor({ entriesMax, bytesMax, ttlMs }: MemoryOptions) {
    const windowEntries = Math.max(1, Math.round(entriesMax * WINDOW_SHARE));
    const windowBytes = Math.max(1, Math.round(bytesMax * WINDOW_SHARE));
    this.#mainEntries = Math.max(1, entriesMax - windowEntries);
    this.#mainBytes = Math.max(1, bytesMax - windowBytes);
    this.#ttlMs = ttlMs;
    this.#frequency = new Frequency(entriesMax);
    type Pushed = (slot: OwnSlot<Key, Value>) => void;
    const listOf = (max: number, maxSize: number, pushedOut: Pushed): List<Key, Value> =>
      new LRUCache({
        ...{ max, maxSize, sizeCalculation: (slot: OwnSlot<Key, Value>) => slot.bytes },
        dispose: (slot, _key, reason) => {
          if (reason === "evict") pushedOut(slot);
        },
      });
    this.#window = listOf(windowEntries, windowBytes, (slot) => this.#admit(slot));
    this.#probation = listOf(this.#mainEntries, this.#mainBytes, end);
    this.#protected = listOf(
      Math.max(1, Math.floor(this.#mainEntries * PROTECTED_SHARE)),
      Math.max(1, Math.floor(this.#mainBytes * PROTECTED_SHARE)),
      (slot) => this.#probation.set(slot.key, slot),
    );
  }

  /** Counts as a use, also where there is nothing. `now` in milliseconds, of the clock that `set` is given. */
  get(key: Key, now: number): Slot<Value> | undefined {
    const slot = this.find(key, now);
    if (slot === undefined) this.#frequency.count(this.#frequency.hashOf(key));
    return slot;
  }

  /** Counts as a use where there is something; whoever finds nothing asks again with `get`. */
  find(key: Key, now: number): Slot<Value> | undefined {
    const slot = this.#protected.get(key) ?? this.#promoted(key) ?? this.#window.get(key);
    if (slot === undefined) return undefined;
    if (now >= slot.until) {
      this.delete(key);
      return undefined;
    }
    this.#frequency.count(slot.hash);
    return slot;
  }

  /** What is there, also when its time is over; no use. */
  peek(key: Key): Slot<Value> | undefined {
    for (const list of this.#lists()) {
      const slot = list.peek(key);
      if (slot) return slot;
    }
    return undefined;
  }

  /** A use of something that was found by another way than its key. */
  count(slot: Slot<Value>): void {
    this.#frequency.count((slot as OwnSlot<Key, Value>).hash);
  }

  /** `textBytes` is the size of the value as JSON text, which stands for its size in memory. */
  set(
    key: Key,
    value: Value,
    textBytes: number,
    now: number,
    ttlMs: number = this.#ttlMs,
  ): Slot<Value> {
    this.delete(key);
    const slot: OwnSlot<Key, Value> = {
      ...{ key, value, since: now, until: now + ttlMs },
      ...{ bytes: textBytes + ENTRY_BYTES, hash: this.#frequency.hashOf(key) },
    };
    if (slot.bytes > this.#window.maxSize) this.#admit(slot);
    else this.#window.set(key, slot);
    return slot;
  }

  delete(key: Key): void {
    for (const list of this.#lists()) {
      const slot = list.peek(key);
      if (slot && list.delete(key)) end(slot);
    }
  }

  clear(): void {
    for (const list of this.#lists()) {
      list.forEach(end);
      list.clear();
    }
  }

  get entries(): number {
    return this.#lists().reduce((sum, list) => sum + list.size, 0);
  }

  get bytes(): number {
    return this.#lists().reduce((sum, list) => sum + list.calculatedSize, 0);
  }

  #lists(): readonly List<Key, Value>[] {
    return [this.#protected, this.#probation, this.#window];
  }

  /** What is used a second time moves from probation among the protected. */
  #promoted(key: Key): OwnSlot<Key, Value> | undefined {
    const slot = this.#probation.peek(key);
    if (slot === undefined || slot.bytes > this.#protected.maxSize) return slot;
    this.#probation.delete(key);
    this.#protected.set(key, slot);
    return slot;
  }

  /** Into the main part, or out. */
  #admit(candidate: OwnSlot<Key, Value>): void {
    const worth = this.#frequency.of(candidate.hash);
    const victims: OwnSlot<Key, Value>[] = [];
    let places = this.#mainEntries - this.#probation.size - this.#protected.size;
    let bytes = this.#mainBytes - this.#probation.calculatedSize - this.#protected.calculatedSize;
    let loss = 0;
    for (const victim of this.#leastUsed()) {
      if (bytes >= candidate.bytes && places > 0) break;
      loss += this.#frequency.of(victim.hash);
      if (loss >= worth) break;
      victims.push(victim);
      bytes += victim.bytes;
      places += 1;
    }
    if (bytes < candidate.bytes || places < 1) {
      end(candidate);
      return;
    }
    for (const { key } of victims) this.delete(key);
    this.#probation.set(candidate.key, candidate);
  }

  /** The main part, in the order in which it would be given up. */
  *#leastUsed(): Generator<OwnSlot<Key, Value>> {
    for (const list of [this.#probation, this.#protected]) {
      for (const slot of list.rvalues()) if (slot) yield slot;
    }
  }
}

function end(slot: { value: unknown }): void {
  slot.value = undefined;
}
