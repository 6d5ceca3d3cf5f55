// Levels of caches as several processes have them: connections of their own to one Redis, and one "MySQL" that is
// a map, whose answers a test can hold back.

import { createLevels, type Levels, type RenewableLookup } from "../../src/cache/levels.ts";
import { limits } from "../../src/limits.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis, type Redis } from "../../src/redis/client.ts";
import { stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface Fact {
  readonly version: number;
}

export interface CacheProcess {
  readonly levels: Levels;
  readonly facts: RenewableLookup<string, Fact>;
  readonly redis: Redis;
  /** What it has asked the map for. */
  readonly loads: string[];
  /** What its answers wait for, once they have been read from the map. */
  hold(until: Promise<void>): void;
  /** Moves its clock, milliseconds. */
  pass(milliseconds: number): void;
  /** From now on messages come so late, in their order; with Infinity they get lost, like all that are still to come. */
  late(milliseconds: number): void;
  /** Forgets that it has heard all, and looks whether it has; resolves once its memory is believed again. */
  prove(): Promise<void>;
  /** True while its memory is believed. */
  isTrusted(): boolean;
}

/** Starts one and waits until it hears of changes, unless `hears` is false. */
export async function startCaches(
  redisUrl: string,
  rows: ReadonlyMap<string, Fact>,
  { hears = true }: { hears?: boolean } = {},
): Promise<CacheProcess> {
  const log = createLog("silent");
  const redis = connectRedis(redisUrl, "reads", log);
  const subscriber = connectRedis(redisUrl, "subscriber", log);
  let passed = 0;
  let gate: Promise<void> | undefined;
  const loads: string[] = [];
  const levels = createLevels({ redis, subscriber, log, now: () => performance.now() + passed });
  const facts = levels.lookup<string, Fact>({
    kind: "user-name",
    entriesMax: 100,
    async load(key) {
      loads.push(key);
      const found = rows.get(key);
      await gate;
      return found;
    },
    parse: (json) => JSON.parse(json) as Fact,
  });
  const late = delayMessages(subscriber);
  levels.start();
  stopLater(async () => {
    await levels.stop();
    redis.disconnect();
    subscriber.disconnect();
  });
  await until("Redis", () => redis.status === "ready" && subscriber.status === "ready");
  if (hears) await until("trust", () => levels.isTrusted());
  return {
    ...{ levels, facts, redis, loads, late },
    hold(promise) {
      gate = promise;
    },
    pass(milliseconds) {
      passed += milliseconds;
    },
    async prove() {
      passed += limits.cacheTrustMs;
      await until("trust", () => {
        // What makes it look when its connection is there again.
        if (subscriber.status === "ready") subscriber.emit("ready");
        return levels.isTrusted();
      });
    },
    isTrusted: () => levels.isTrusted(),
  };
}

/** A slow answer, or a slow message. */
export const later = (milliseconds: number): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(() => resolve(), milliseconds);
  return promise;
};

/** Puts itself before the listeners of a connection's messages; what is returned sets how late these come. */
function delayMessages(subscriber: Redis): (milliseconds: number) => void {
  const emit = subscriber.emit.bind(subscriber);
  let [delayMs, waiting, life] = [0, 0, 0];
  let line = Promise.resolve();
  const pass = async (message: unknown[], dueAt: number, its: number): Promise<void> => {
    await later(Math.max(0, dueAt - performance.now()));
    waiting -= 1;
    if (its === life) emit("message", ...message);
  };
  subscriber.emit = (event: string | symbol, ...args: unknown[]) => {
    // With a connection all goes that has not come out of it yet.
    if (event === "close") life += 1;
    if (event !== "message") return emit(event, ...args);
    if (delayMs === Infinity) return true;
    if (delayMs === 0 && waiting === 0) return emit(event, ...args);
    waiting += 1;
    const [dueAt, its] = [performance.now() + delayMs, life];
    line = line.then(() => pass(args, dueAt, its));
    return true;
  };
  return (milliseconds) => {
    if (milliseconds === Infinity) life += 1;
    delayMs = milliseconds;
  };
}
