// The memory level: W-TinyLFU over two LRU lists (the paper is named in frequency.ts). What is new enters a window
// of one percent; what falls out of the window gets into the main part only if it was asked for more often lately
// than what it would push out. So a scan, or a crowd of names that are asked for once, passes through the window
// and leaves what is popular where it is. Bounded by entries and by bytes: something large must be worth more than
// all it pushes out together (G. Einziger and others: "Lightweight Robust Size Aware Cache Management", 2021).

import { LRUCache } from "lru-cache";
import { Frequency } from "./frequency.ts";

const WINDOW_SHARE = 0.01;
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

export class Memory<Key extends string | number, Value extends object> {
  readonly #frequency: Frequency;
  readonly #window: LRUCache<Key, OwnSlot<Key, Value>>;
  readonly #main: LRUCache<Key, OwnSlot<Key, Value>>;
  readonly #ttlMs: number;

  constructor({ entriesMax, bytesMax, ttlMs }: MemoryOptions) {
    const window = Math.max(1, Math.round(entriesMax * WINDOW_SHARE));
    const windowBytes = Math.max(1, Math.round(bytesMax * WINDOW_SHARE));
    this.#ttlMs = ttlMs;
    this.#frequency = new Frequency(entriesMax);
    this.#window = new LRUCache({
      ...{ max: window, maxSize: windowBytes },
      sizeCalculation: (slot) => slot.bytes,
      dispose: (slot, _key, reason) => {
        if (reason === "evict") this.#admit(slot);
        else slot.value = undefined;
      },
    });
    this.#main = new LRUCache({
      ...{ max: Math.max(1, entriesMax - window), maxSize: Math.max(1, bytesMax - windowBytes) },
      sizeCalculation: (slot) => slot.bytes,
      dispose: (slot) => {
        slot.value = undefined;
      },
    });
  }

  /** Counts as a use, also where there is nothing. `now` in milliseconds, of the clock that `set` is given. */
  get(key: Key, now: number): Slot<Value> | undefined {
    const slot = this.#main.get(key) ?? this.#window.get(key);
    this.#frequency.count(slot?.hash ?? this.#frequency.hashOf(key));
    if (slot === undefined || now < slot.until) return slot;
    this.delete(key);
    return undefined;
  }

  /** A use of something that was found by another way than its key. */
  count(slot: Slot<Value>): void {
    this.#frequency.count((slot as OwnSlot<Key, Value>).hash);
  }

  /** `textBytes` is the size of the value as JSON text, which stands for its size in memory. */
  set(key: Key, value: Value, textBytes: number, now: number): Slot<Value> {
    this.delete(key);
    const slot: OwnSlot<Key, Value> = {
      ...{ key, value, since: now, until: now + this.#ttlMs },
      ...{ bytes: textBytes + ENTRY_BYTES, hash: this.#frequency.hashOf(key) },
    };
    if (slot.bytes > this.#window.maxSize) this.#admit(slot);
    else this.#window.set(key, slot);
    return slot;
  }

  delete(key: Key): void {
    this.#main.delete(key);
    this.#window.delete(key);
  }

  clear(): void {
    this.#main.clear();
    this.#window.clear();
  }

  get entries(): number {
    return this.#main.size + this.#window.size;
  }

  get bytes(): number {
    return this.#main.calculatedSize + this.#window.calculatedSize;
  }

  /** Into the main part, or out. */
  #admit(candidate: OwnSlot<Key, Value>): void {
    const main = this.#main;
    const worth = this.#frequency.of(candidate.hash);
    const victims: Key[] = [];
    let bytes = main.maxSize - main.calculatedSize;
    let places = main.max - main.size;
    let loss = 0;
    for (const key of main.rkeys()) {
      if (bytes >= candidate.bytes && places > 0) break;
      const victim = main.peek(key) as OwnSlot<Key, Value>;
      loss += this.#frequency.of(victim.hash);
      if (loss >= worth) break;
      victims.push(key);
      bytes += victim.bytes;
      places += 1;
    }
    if (bytes < candidate.bytes || places < 1) {
      candidate.value = undefined;
      return;
    }
    for (const key of victims) main.delete(key);
    main.set(candidate.key, candidate);
  }
}
