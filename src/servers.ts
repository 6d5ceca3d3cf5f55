// The look at Redis and MySQL before the service relies on them, and the wait for them.

import { setTimeout as sleep } from "node:timers/promises";
import type { Config, ServerSettings } from "./config.ts";
import type { CouponCodes } from "./coupons/code.ts";
import { lackingSecrets } from "./coupons/keys.ts";
import { type Database, openPool } from "./db/client.ts";
import { reasonOf } from "./db/errors.ts";
import { migrate } from "./db/migrate.ts";
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

/** The settings of Redis or MySQL cannot hold the service's promises; one sentence each. */
export class BadSettings extends Error {
  constructor(readonly problems: string[]) {
    super(problems.join("\n"));
  }
}

interface FitDeps {
  readonly config: Config;
  readonly db: Database;
  readonly codes: CouponCodes;
  readonly log: Log;
}

/** Waits for both servers, looks at them, brings the schema up to date, and holds the settings against it. */
export async function serversFit(
  { config, db, codes, log }: FitDeps,
  stopping: AbortSignal,
): Promise<void> {
  for (let round = 0; !stopping.aborted; round += 1) {
    const { problems, away } = await lookAtServers(config, log);
    if (problems.length === 0 && away.length === 0) {
      try {
        await migrate(config.databaseUrl);
        const lacking = await lackingSecrets(db, codes);
        if (lacking.length === 0) return;
        problems.push(...lacking);
      } catch (error) {
        away.push(`migrating: ${reasonOf(error)}`);
      }
    }
    if (problems.length > 0) throw new BadSettings(problems);
    if (round % 20 === 0) log.warn({ away }, "waiting for the servers");
    await sleep(limits.serversRetryMs, undefined, { signal: stopping }).catch(() => undefined);
  }
}
