// Levels of caches as several processes have them: connections of their own to one Redis, and one "MySQL" that is
// a map, whose answers a test can hold back.

import { createLevels, type Levels, type RenewableLookup } from "../../src/cache/levels.ts";
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
  readonly subscriber: Redis;
  /** What it has asked the map for. */
  readonly loads: string[];
  /** What its answers wait for, once they have been read from the map. */
  hold(until: Promise<void>): void;
  /** Moves its clock, milliseconds. */
  pass(milliseconds: number): void;
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
  levels.start();
  stopLater(async () => {
    await levels.stop();
    redis.disconnect();
    subscriber.disconnect();
  });
  await until("Redis", () => redis.status === "ready" && subscriber.status === "ready");
  if (hears) await until("trust", () => levels.isTrusted());
  return {
    ...{ levels, facts, redis, subscriber, loads },
    hold(promise) {
      gate = promise;
    },
    pass(milliseconds) {
      passed += milliseconds;
    },
    isTrusted: () => levels.isTrusted(),
  };
}
