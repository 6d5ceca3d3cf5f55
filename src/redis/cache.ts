// Three levels for facts that never change once they exist: memory, then Redis, then the loader (MySQL).
//
// Because a fact cannot change, a found one needs no invalidation. Only "there is no such thing" can
// become false, and must become false at once everywhere: whoever creates a fact puts it into Redis before
// answering, and every process asks Redis each time memory has nothing. That there is nothing is
// remembered for a moment, which spares MySQL the same question and never spares Redis.

import { LRUCache } from "lru-cache";
import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";
import type { Redis } from "./client.ts";

export interface Lookup<Key, Value> {
  /** Memory only, synchronous. */
  peek(key: Key): Value | undefined;
  /**
   * Memory, Redis, loader. Undefined: there was no such thing at some moment after this call. Throws the
   * loader's error, or Overloaded when `cacheLoadsAtOnce` loads are under way. Without Redis, asks the loader.
   */
  get(key: Key): Promise<Value | undefined>;
  /**
   * Makes a new fact known: to Redis first, then to this process. Does not fail when Redis is away: the
   * fact stands in MySQL, where the others find it, at most `cacheUnknownSeconds` later.
   */
  put(key: Key, value: Value): Promise<void>;
}

const MISSING = Symbol("missing");
const UNREACHABLE = Symbol("unreachable");

export interface LookupOptions<Key, Value> {
  redis: Pick<Redis, "get" | "set">;
  entriesMax: number;
  memoryKey: (key: Key) => string;
  redisKey: (key: Key) => string;
  load: (key: Key) => Promise<Value | undefined>;
  /** Throws when the text is not a value; it then counts as missing. */
  parse: (json: string) => Value;
  /** The clock of the time limits, in milliseconds; tests pass one that they move. */
  clock?: { now(): number };
}

export function createLookup<Key, Value extends object>(
  options: LookupOptions<Key, Value>,
): Lookup<Key, Value> {
  const { redis, entriesMax, memoryKey, redisKey, load, parse } = options;
  const lruOptions = {
    max: entriesMax,
    ttlResolution: 0,
    ...(options.clock ? { perf: options.clock } : {}),
  };
  const known = new LRUCache<string, Value>({
    ...lruOptions,
    ttl: limits.cacheMemorySeconds * 1e3,
  });
  const unknown = new LRUCache<string, true>({
    ...lruOptions,
    ttl: limits.cacheUnknownSeconds * 1e3,
  });
  const flights = new Map<string, Promise<Value | undefined>>();
  let loads = 0;

  async function askRedis(key: Key): Promise<Value | typeof MISSING | typeof UNREACHABLE> {
    let json: string | null;
    try {
      json = await redis.get(redisKey(key));
    } catch {
      return UNREACHABLE;
    }
    try {
      return json === null ? MISSING : parse(json);
    } catch {
      return MISSING;
    }
  }

  const tellRedis = (key: Key, value: Value): Promise<unknown> =>
    redis
      .set(redisKey(key), JSON.stringify(value), "EX", limits.cacheRedisSeconds)
      .catch(() => undefined);

  async function askLoader(key: Key): Promise<Value | undefined> {
    if (loads >= limits.cacheLoadsAtOnce) throw new Overloaded("too many loads at once");
    loads += 1;
    try {
      return await load(key);
    } finally {
      loads -= 1;
    }
  }

  async function fetchValue(key: Key, name: string): Promise<Value | undefined> {
    const cached = await askRedis(key);
    if (typeof cached === "object") {
      known.set(name, cached);
      return cached;
    }
    // Without Redis nobody can be told of a creation, so what is remembered proves nothing.
    if (cached === MISSING && unknown.has(name)) return undefined;
    const loaded = await askLoader(key);
    if (loaded === undefined) {
      unknown.set(name, true);
      return undefined;
    }
    known.set(name, loaded);
    if (cached === MISSING) void tellRedis(key, loaded);
    return loaded;
  }

  function flightOf(key: Key, name: string): Promise<Value | undefined> {
    const running = flights.get(name);
    if (running) return running;
    const flight = fetchValue(key, name).finally(() => flights.delete(name));
    flights.set(name, flight);
    return flight;
  }

  return {
    peek: (key) => known.get(memoryKey(key)),

    async get(key) {
      const name = memoryKey(key);
      const hit = known.get(name);
      if (hit !== undefined) return hit;
      const running = flights.get(name);
      if (running) {
        const found = await running;
        if (found !== undefined) return found;
        // That flight began before this call and may have looked before the thing was made. The next
        // one began after it ended, so after this call.
      }
      return flightOf(key, name);
    },

    async put(key, value) {
      await tellRedis(key, value);
      const name = memoryKey(key);
      known.set(name, value);
      unknown.delete(name);
    },
  };
}
