// Where a command finds Redis and MySQL: in the environment, as the service does, or, on a machine where
// `npm start` runs, in its data folder.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { namedCodeSecrets, namedServers } from "../config.ts";
import { type CouponCodes, createCouponCodes } from "../coupons/code.ts";
import { type DatabasePool, openPool } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { layoutOf, socketFolder } from "../embedded/layout.ts";
import { loadSecrets } from "../embedded/secrets.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import { connectRedis, type Redis } from "../redis/client.ts";
import { CannotRun } from "./command.ts";

/** Throws `CannotRun` when a server is neither named nor running in the data folder. */
export function findServers(dataFolder: string): { redisUrl: string; databaseUrl: string } {
  const named = namedServers();
  const sockets = socketFolder(layoutOf(dataFolder));
  const near = (name: string) => {
    const path = join(sockets, name);
    return existsSync(path) ? path : undefined;
  };
  const redisSocket = near("redis.sock");
  const mysqlSocket = near("mysql.sock");
  const redisUrl = named.redisUrl ?? (redisSocket && `unix://${encodeURI(redisSocket)}`);
  const databaseUrl =
    named.databaseUrl ??
    (mysqlSocket &&
      `mysql://root@localhost/doorbuster?socketPath=${encodeURIComponent(mysqlSocket)}`);
  if (redisUrl && databaseUrl) return { redisUrl, databaseUrl };
  const missing = [redisUrl ? "" : "REDIS_URL", databaseUrl ? "" : "DATABASE_URL"].filter(Boolean);
  throw new CannotRun(
    `Set ${missing.join(" and ")}, as for the service, or start the service here with: npm start`,
  );
}

export interface Servers {
  readonly redis: Redis;
  readonly pool: DatabasePool;
  /** Undefined where nobody says with which secrets the service makes its codes. */
  readonly codes: CouponCodes | undefined;
}

/** From the environment, as the service does, or, for the servers in the data folder, from there. */
function findCodes(dataFolder: string): CouponCodes | undefined {
  const { secrets } = layoutOf(dataFolder);
  const isNear = namedServers().databaseUrl === undefined && existsSync(secrets);
  const found = namedCodeSecrets() ?? (isNear ? [loadSecrets(secrets).CODE_SECRET] : undefined);
  return found && createCouponCodes(found);
}

/**
 * Connects to both servers, hands them to `use`, and closes them. Throws `CannotRun` when one is not named or
 * does not answer.
 */
export async function withServers<Result>(
  dataFolder: string,
  use: (servers: Servers) => Promise<Result>,
): Promise<Result> {
  const { redisUrl, databaseUrl } = findServers(dataFolder);
  const redis = connectRedis(redisUrl, "reads", createLog("silent"));
  const pool = openPool(databaseUrl, limits.cliPoolConnections);
  try {
    await redisAnswers(redis);
    await pool.db.execute(sql`SELECT 1 FROM shards LIMIT 1`).catch((error) => {
      throw new CannotRun(
        `MySQL (DATABASE_URL) does not answer as this service's: ${reasonOf(error)}. Is it running, and has the service been started on it once?`,
      );
    });
    return await use({ redis, pool, codes: findCodes(dataFolder) });
  } finally {
    redis.disconnect();
    await pool.close().catch(() => undefined);
  }
}

async function redisAnswers(redis: Redis): Promise<void> {
  let reason = "no connection";
  redis.on("error", (error: Error) => {
    reason = error.message;
  });
  const deadline = performance.now() + limits.redisConnectTimeoutMs;
  while (redis.status !== "ready") {
    if (performance.now() > deadline) {
      throw new CannotRun(`Redis (REDIS_URL) does not answer: ${reason}. Is it running?`);
    }
    await sleep(limits.serversRetryMs / 10);
  }
  await redis.ping().catch((error) => {
    throw new CannotRun(`Redis (REDIS_URL) does not answer: ${reasonOf(error)}. Is it running?`);
  });
}
