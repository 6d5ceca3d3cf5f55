// How this service talks to Redis. ioredis's defaults send an unanswered command again after a reset and
// queue commands while disconnected; for a grab that is a second attempt nobody asked for, so both are off:
// an unknown outcome is reported as such, and a repeat by the user resolves it.

import { Redis, type RedisOptions } from "ioredis";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";

export type { Redis } from "ioredis";

/** `blocking` is for connections that wait in XREAD: they have no command timeout of their own. */
export type RedisRole = "grabs" | "reads" | "subscriber" | "changes" | "worker" | "blocking";

const silenceMs = (role: RedisRole): number =>
  limits.redisCommandTimeoutMs +
  (role === "blocking" ? limits.streamBlockMs : 0) +
  limits.redisSilenceMs;

/**
 * Opens a connection that reconnects for ever. `url` is `redis://…`, `rediss://…` or
 * `unix:///path/to/socket?db=0`. Commands fail at once while the connection is down.
 */
export function connectRedis(url: string, role: RedisRole, log: Log): Redis {
  const options: RedisOptions = {
    connectionName: `doorbuster-${role}`,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    connectTimeout: limits.redisConnectTimeoutMs,
    // A link that is half open never answers and never fails: silence after a command ends it.
    socketTimeout: silenceMs(role),
    retryStrategy: (attempt) =>
      Math.min(limits.redisReconnectDelayMsMin * attempt, limits.redisReconnectDelayMsMax),
    ...(role === "blocking" ? {} : { commandTimeout: limits.redisCommandTimeoutMs }),
  };
  const parsed = new URL(url);
  const client =
    parsed.protocol === "unix:"
      ? new Redis({
          ...options,
          path: decodeURIComponent(parsed.pathname),
          db: Number(parsed.searchParams.get("db") ?? 0),
        })
      : new Redis(url, options);
  client.on("error", (error: Error) =>
    log.warn({ role, reason: error.message }, "redis connection"),
  );
  return client;
}
