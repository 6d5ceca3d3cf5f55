// The private Redis and MySQL of `npm start`, the tests and the benches: real servers, on unix sockets,
// with their data in one folder. Those that the caller already has are left out.

import { rmSync } from "node:fs";
import type { Durability } from "../config.ts";
import { layoutOf, prepareDataFolder, socketFolder } from "./layout.ts";
import { createDatabase, mysqlServer } from "./mysql.ts";
import type { ServerOptions, ServerProcess } from "./process.ts";
import { redisServer } from "./redis.ts";

export interface StartServersOptions {
  readonly dataDir: string;
  readonly durability: Durability;
  /** Use this Redis and start none. */
  readonly redisUrl?: string | undefined;
  /** Use this MySQL and start none. */
  readonly databaseUrl?: string | undefined;
  /** Tells the person at the terminal what is slow or went wrong; says nothing by default. */
  readonly onSay?: (text: string) => void;
  /** Stops what is being started; the call then rejects. */
  readonly signal?: AbortSignal;
}

export interface Servers {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  /** The process, unless the server was named by the caller. */
  readonly redis: ServerProcess | undefined;
  readonly mysql: ServerProcess | undefined;
  /** MySQL first, then Redis. */
  stop(): Promise<void>;
}

const DATABASE = "doorbuster";

/**
 * Starts what is missing and keeps it up until `stop`. The database `doorbuster` exists afterwards, without
 * tables. Throws `CannotStart`, and leaves nothing running, when a program is missing or does not come up.
 */
export async function startServers(options: StartServersOptions): Promise<Servers> {
  const layout = layoutOf(options.dataDir);
  prepareDataFolder(layout);
  const watch: ServerOptions = {
    keepUp: true,
    onSay: options.onSay ?? (() => undefined),
    signal: options.signal,
  };
  const redis = options.redisUrl ? undefined : redisServer(layout, options.durability, watch);
  const mysql = options.databaseUrl ? undefined : mysqlServer(layout, watch);
  const stop = async () => {
    await mysql?.process.stop();
    await redis?.process.stop();
    rmSync(socketFolder(layout), { recursive: true, force: true });
  };
  const abort = () => void stop();
  options.signal?.addEventListener("abort", abort);
  const begun = await Promise.allSettled([redis?.process.start(), startMysql(mysql)]);
  options.signal?.removeEventListener("abort", abort);
  const failed = begun.find((result) => result.status === "rejected");
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return {
    redisUrl: options.redisUrl ?? redis?.url ?? "",
    databaseUrl: options.databaseUrl ?? mysql?.urlOf(DATABASE) ?? "",
    redis: redis?.process,
    mysql: mysql?.process,
    stop,
  };
}

async function startMysql(mysql: ReturnType<typeof mysqlServer> | undefined): Promise<void> {
  if (!mysql) return;
  await mysql.start();
  await createDatabase(mysql.urlOf("mysql"), DATABASE);
}
