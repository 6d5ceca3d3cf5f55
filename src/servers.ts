// The look at Redis and MySQL before the service relies on them.

import { setTimeout as sleep } from "node:timers/promises";
import type { ServerSettings } from "./config.ts";
import { openPool } from "./db/client.ts";
import { reasonOf } from "./db/errors.ts";
import { databaseProblems } from "./db/settings.ts";
import { limits } from "./limits.ts";
import type { Log } from "./log.ts";
import { connectRedis } from "./redis/client.ts";
import { redisProblems } from "./redis/settings.ts";

/** What one look at the servers showed; `away` names those that did not answer. */
export interface ServersSeen {
  readonly problems: string[];
  readonly away: string[];
}

/** Looks once at the servers that are named. Never throws. */
export async function lookAtServers(servers: ServerSettings, log: Log): Promise<ServersSeen> {
  const away: string[] = [];
  const none = (name: string) => (error: unknown) => {
    away.push(`${name}: ${reasonOf(error)}`);
    return [] as string[];
  };
  const problems = await Promise.all([
    servers.redisUrl ? lookAtRedis(servers.redisUrl, servers, log).catch(none("Redis")) : [],
    servers.databaseUrl ? lookAtDatabase(servers.databaseUrl).catch(none("MySQL")) : [],
  ]);
  return { problems: problems.flat(), away };
}

async function lookAtRedis(
  url: string,
  { durability }: ServerSettings,
  log: Log,
): Promise<string[]> {
  const redis = connectRedis(url, "reads", log.child({}, { level: "silent" }));
  try {
    const deadline = performance.now() + limits.redisConnectTimeoutMs;
    while (redis.status !== "ready") {
      if (performance.now() > deadline) throw new Error("no connection");
      await sleep(limits.serversRetryMs / 10);
    }
    return await redisProblems(redis, durability);
  } finally {
    redis.disconnect();
  }
}

async function lookAtDatabase(url: string): Promise<string[]> {
  const pool = openPool(url, 1);
  try {
    return await databaseProblems(pool.db);
  } finally {
    await pool.close();
  }
}
