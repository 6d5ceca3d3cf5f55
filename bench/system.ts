// What is measured: one MariaDB or MySQL for the whole run, and for each scenario a database, a Redis and a
// process of the service of its own, all empty, so that a figure does not depend on what ran before it.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type DatabasePool, openPool } from "../src/db/client.ts";
import { migrate } from "../src/db/migrate.ts";
import { ensureServers } from "../src/embedded/install.ts";
import { layoutOf, socketFolder } from "../src/embedded/layout.ts";
import { createDatabase, dropDatabase, mysqlServer } from "../src/embedded/mysql.ts";
import { type RedisServer, redisServer } from "../src/embedded/redis.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { type GrabCalls, startApi } from "./api.ts";
import type { Pids } from "./cpu.ts";
import { Mint, type RequestFile, writeRequests } from "./requests.ts";
import { addSeller } from "./stock.ts";

const ROOT = new URL("../.data/bench", import.meta.url).pathname;
const DATABASE_CONNECTIONS = 2;

export const say = (text: string): void => console.error(text);

/** Closes what was opened, last first, each once, also when something before it failed. */
export class Opened {
  readonly #closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        say(`while closing: ${String(error)}`);
      }
    }
  }
}

/** The run's folder, its database server, and what has to be closed at its end. */
export interface Bench {
  readonly folder: string;
  readonly opened: Opened;
  readonly secret: string;
  readonly codeSecret: string;
  readonly mint: Mint;
  readonly mysqlPid: number;
  databaseUrl(name: string): string;
  /** Aborted by Ctrl-C. */
  readonly stop: AbortSignal;
  /** The folder for CPU profiles of the service, if they are wanted. */
  readonly profile: string | undefined;
}

/** Folders are named after the process, so that those of runs that were killed can be told and removed. */
function makeFolder(): string {
  mkdirSync(ROOT, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(ROOT)) {
    if (!existsSync(`/proc/${name.split("-")[0]}`)) {
      rmSync(join(ROOT, name), { recursive: true, force: true });
    }
  }
  const folder = join(ROOT, `${process.pid}-${randomBytes(2).toString("hex")}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** A server's folder in the run's, and how to remove what it may have put elsewhere. */
function layoutIn(bench: Pick<Bench, "folder" | "opened">, name: string) {
  const layout = layoutOf(join(bench.folder, name));
  mkdirSync(layout.folder, { mode: 0o700 });
  bench.opened.add(() => rmSync(socketFolder(layout), { recursive: true, force: true }));
  return layout;
}

/** Makes the folder and starts the database server. `opened` holds all of it also when this throws. */
export async function openBench(
  opened: Opened,
  stop: AbortSignal,
  profile: string | undefined,
): Promise<Bench> {
  await ensureServers({ redis: true, mysql: true }, say);
  const folder = makeFolder();
  opened.add(() => rmSync(folder, { recursive: true, force: true }));
  const mysql = mysqlServer(layoutIn({ folder, opened }, "db"), {
    keepUp: false,
    onSay: say,
    signal: stop,
  });
  opened.add(() => mysql.process.stop());
  await mysql.start();
  const secret = randomBytes(48).toString("base64url");
  return {
    ...{ folder, opened, secret, stop, profile, mint: new Mint(secret) },
    codeSecret: randomBytes(48).toString("base64url"),
    mysqlPid: mysql.process.pid ?? 0,
    databaseUrl: mysql.urlOf,
  };
}

/** One Redis, one database, one process of the service. */
export interface System {
  readonly bench: Bench;
  readonly redis: Redis;
  readonly database: DatabasePool;
  readonly seller: { id: number; username: string; kind: "seller" };
  /** Its Redis as a process, for those who kill it. */
  readonly redisServer: RedisServer;
  /** Its servers, as settings of the service and of its commands. */
  readonly servers: { readonly REDIS_URL: string; readonly DATABASE_URL: string };
  /** Starts the service and waits until it is ready; gives the milliseconds that took. */
  start(rateLimits: "on" | "off"): Promise<number>;
  /** Where the running service answers. */
  url(): string;
  pids(): Pids;
  grabCalls(): Promise<GrabCalls>;
  /** Ends the service in order; Redis and the database stay. */
  stop(): Promise<void>;
  /** Ends all of it and removes the database. */
  close(): Promise<void>;
  requests(count: number, textOf: (index: number) => string): RequestFile;
}

let systems = 0;

/** Prepares an empty system with one seller; the service is not started yet. */
export async function openSystem(bench: Bench): Promise<System> {
  bench.stop.throwIfAborted();
  const name = `s${++systems}`;
  const opened = new Opened();
  bench.opened.add(() => opened.close());
  const server = redisServer(layoutIn({ folder: bench.folder, opened }, name), "durable", {
    ...{ keepUp: false, onSay: say, signal: bench.stop },
  });
  opened.add(() => server.process.stop());
  await server.process.start();
  const databaseUrl = bench.databaseUrl(name);
  await createDatabase(bench.databaseUrl("mysql"), name);
  opened.add(() => dropDatabase(bench.databaseUrl("mysql"), name));
  await migrate(databaseUrl);
  const database = openPool(databaseUrl, DATABASE_CONNECTIONS);
  opened.add(() => database.close());
  const redis = connectRedis(server.url, "worker", createLog("warn"));
  opened.add(() => redis.disconnect());
  await new Promise((resolve) => redis.once("ready", resolve));
  const seller = await addSeller(database.db, "seller");
  let api: Awaited<ReturnType<typeof startApi>> | undefined;
  const running = () => {
    if (!api) throw new Error("the service is not running");
    return api;
  };
  const stop = async () => {
    await api?.stop();
    api = undefined;
  };
  opened.add(stop);
  const servers = { REDIS_URL: server.url, DATABASE_URL: databaseUrl };
  return {
    ...{ bench, redisServer: server, redis, database, seller, servers, stop },
    async start(rateLimits) {
      const since = performance.now();
      api = await startApi(
        {
          ...{ ...servers, JWT_SECRET: bench.secret, CODE_SECRET: bench.codeSecret },
          RATE_LIMITS: rateLimits,
        },
        bench.profile,
      );
      return performance.now() - since;
    },
    url: () => running().url,
    grabCalls: () => running().grabCalls(),
    pids: () => ({ api: running().pid, redis: server.process.pid ?? 0, mysql: bench.mysqlPid }),
    close: () => opened.close(),
    requests: (count, textOf) => writeRequests(join(bench.folder, "requests"), count, textOf),
  };
}
