// A memory of one's own for what is read from MySQL many at a time, by number, and which the levels therefore do not
// have: kept and believed as they keep and believe what they look up one by one.

import { LRUCache } from "lru-cache";
import { limits } from "../limits.ts";
import { type Change, EVERYTHING } from "./changes.ts";
import type { Levels } from "./levels.ts";

interface Kept<Value> {
  readonly value: Value;
  /** When it was read, by the clock of the levels. */
  readonly since: number;
}

export interface Readings<Value> {
  /** Memory only. */
  peek(id: number): Value | undefined;
  /** To be called before a reading: what it gives keeps what came, unless a change was heard of meanwhile. */
  begin(): (id: number, value: Value) => void;
}

/** A change of kind `of` takes away what has its number; one of the kind that `concerns` names, all that are of its key. */
export function createReadings<Value extends object>(
  levels: Pick<Levels, "onChange" | "believes" | "now">,
  options: {
    readonly of: Change["kind"];
    readonly max: number;
    readonly concerns?: { readonly kind: Change["kind"]; readonly keyOf: (value: Value) => number };
  },
): Readings<Value> {
  const { of, max, concerns } = options;
  const kept = new LRUCache<number, Kept<Value>>({
    max,
    ttl: limits.cacheMemorySeconds * 1_000,
    ttlResolution: 0,
  });
  /** Counts what was heard of. */
  let heard = 0;
  levels.onChange((changes) => {
    heard += 1;
    if (changes === EVERYTHING) {
      kept.clear();
      return;
    }
    for (const { kind, key } of changes) {
      if (kind === of) kept.delete(Number(key));
      if (kind !== concerns?.kind) continue;
      for (const [id, { value }] of kept) if (concerns.keyOf(value) === key) kept.delete(id);
    }
  });

  return {
    peek(id) {
      const found = kept.get(id);
      return found && levels.believes(found.since) ? found.value : undefined;
    },

    begin() {
      const [heardBefore, since] = [heard, levels.now()];
      return (id, value) => {
        if (heard === heardBefore) kept.set(id, { value, since });
      };
    },
  };
}
