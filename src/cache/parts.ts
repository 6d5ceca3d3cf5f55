// The caches of one process: the levels, and the capture of what is changed in MySQL behind the service's back.

import type { Registry } from "prom-client";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { type CaptureStatus, createCapture } from "./capture.ts";
import { createLevels, type Levels } from "./levels.ts";
import { registerCacheMetrics } from "./metrics.ts";

export interface Caches {
  readonly levels: Levels;
  /** For the operations port. */
  capture(): CaptureStatus;
  register(registry: Registry): void;
  /** Once the schema is there. */
  start(): void;
  stop(): Promise<void>;
}

export function createCaches({
  config,
  redis,
  subscriber,
  log,
}: {
  config: Pick<Config, "databaseUrl" | "redisUrl" | "logLevel">;
  redis: Redis;
  /** Used for nothing but subscriptions. */
  subscriber: Redis;
  log: Log;
}): Caches {
  const { databaseUrl, redisUrl, logLevel } = config;
  const levels = createLevels({ redis, subscriber, log });
  const capture = createCapture({ databaseUrl, redisUrl, logLevel }, log);
  return {
    levels,
    capture: () => capture.status(),
    register: (registry) => registerCacheMetrics(registry, levels, capture),
    start() {
      levels.start();
      capture.start();
    },
    async stop() {
      await Promise.all([capture.stop(), levels.stop()]);
    },
  };
}
