// What is broken: two processes of the service with their ledger threads, one Redis, one MariaDB or MySQL, and a
// breakable link between any two that talk to each other. Everything is in one folder of the run.

import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { addSeller } from "../bench/stock.ts";
import { type DatabaseConnection, openConnection } from "../src/db/client.ts";
import { migrate } from "../src/db/migrate.ts";
import { ensureServers } from "../src/embedded/install.ts";
import { type Layout, layoutOf, socketFolder } from "../src/embedded/layout.ts";
import { createDatabase, type MysqlServer, mysqlServer } from "../src/embedded/mysql.ts";
import { findDatabase, findRedis } from "../src/embedded/programs.ts";
import { redisServer } from "../src/embedded/redis.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import {
  mayMountDisks,
  mountSmallDisk,
  type SmallDisk,
  unmountAllIn,
} from "../test/harness/disk.ts";
import { ensureFaketime, mayMoveClockOf } from "../test/harness/faketime.ts";
import { Api } from "./api.ts";
import { Random } from "./random.ts";
import type { FaultKind } from "./schedule.ts";
import { type Server, serverOf } from "./server.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const RUNS = join(ROOT, ".data/chaos");
const APIS = 2;
/** The service's own user: without the rights that would let it write to a read-only server. */
const DATABASE = "doorbuster";
const SELLER = "chaos-seller";
/** How long a statement of the harness may wait for those of the service. */
const PATIENCE_MS = 30_000;
/** More than the longest run needs. */
const DISK_BYTES = 2 * 1_024 ** 3;
const SERVERS = ["redis", "mysql"] as const;

export const say = (text: string): void => console.error(text);

export interface ChaosSystem {
  readonly folder: string;
  readonly secret: string;
  readonly codeSecret: string;
  readonly seller: { readonly id: number; readonly username: string };
  readonly apis: readonly Api[];
  readonly redis: Server;
  readonly mysql: Server;
  /** A connection to Redis past all links. */
  readonly redisClient: Redis;
  /** A connection to the database as its master, past all links. */
  connect(): Promise<DatabaseConnection>;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly disk: { readonly of: "redis" | "mysql"; readonly small: SmallDisk } | undefined;
  /** Faults that this machine cannot do, with the reason. */
  readonly cannot: ReadonlyMap<FaultKind, string>;
  /** What ended though nobody ended it, one sentence each. */
  readonly deaths: string[];
  /** Ends everything; leaves nothing, or what clients wrote down and all logs. */
  close(keep: boolean): Promise<void>;
}

/** Folders are named after the process, so that disks of runs that were killed can be told and given back. */
function makeFolder(): string {
  mkdirSync(RUNS, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(RUNS)) {
    if (!existsSync(`/proc/${name.split("-")[0]}`)) unmountAllIn(join(RUNS, name));
  }
  const folder = join(RUNS, `${process.pid}-${randomBytes(2).toString("hex")}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** The servers' own folders go with their disks. */
function keepLogs(folder: string): void {
  for (const server of SERVERS) {
    const log = `${server}.log`;
    if (existsSync(join(folder, server, log))) {
      copyFileSync(join(folder, server, log), join(folder, log));
    }
  }
}

function whatCannotBe(disk: unknown) {
  const cannot = new Map<FaultKind, string>();
  if (!disk) cannot.set("disk full", "needs the right to mount a tmpfs");
  const programs = [
    ["clock of api moved", process.execPath],
    ["clock of redis moved", findRedis() ?? ""],
    ["clock of mysql moved", findDatabase(undefined)?.path ?? ""],
  ] as const;
  for (const [kind, program] of programs) {
    if (!mayMoveClockOf(program)) cannot.set(kind, "does not run under libfaketime");
  }
  return cannot;
}

/** Makes the database, its user, the tables and the seller. */
async function fillDatabase(mysql: MysqlServer) {
  await createDatabase(mysql.urlOf("mysql"), DATABASE);
  await migrate(mysql.urlOf(DATABASE));
  const connection = await openConnection(mysql.urlOf(DATABASE));
  try {
    const { db } = connection;
    await db.execute(sql.raw(`CREATE USER ${DATABASE}@localhost`));
    await db.execute(sql.raw(`GRANT ALL ON ${DATABASE}.* TO ${DATABASE}@localhost`));
    return await addSeller(db, SELLER);
  } finally {
    await connection.close();
  }
}

interface Opening {
  readonly seed: string;
  readonly service: string;
  readonly stop: AbortSignal;
}

/** Starts all of it and waits until both processes of the service listen. Leaves nothing behind when it throws. */
export async function openSystem({ seed, service, stop }: Opening): Promise<ChaosSystem> {
  await ensureServers({ redis: true, mysql: true }, say);
  await ensureFaketime(say);
  const folder = makeFolder();
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (keep: boolean) => {
    if (keep) keepLogs(folder);
    for (let end = closers.pop(); end; end = closers.pop()) await end();
    const left = keep ? SERVERS.map((server) => join(folder, server)) : [folder];
    for (const path of left) rmSync(path, { recursive: true, force: true });
  };
  try {
    return await open({ seed, service, stop }, folder, closers, close);
  } catch (error) {
    await close(false);
    throw error;
  }
}

async function open(
  { seed, service, stop }: Opening,
  folder: string,
  closers: (() => Promise<void> | void)[],
  close: (keep: boolean) => Promise<void>,
): Promise<ChaosSystem> {
  const layouts = {
    redis: layoutOf(join(folder, "redis")),
    mysql: layoutOf(join(folder, "mysql")),
  };
  const of = new Random(seed, "disk").pick(SERVERS);
  const small = mayMountDisks() ? mountSmallDisk(layouts[of].folder, DISK_BYTES) : undefined;
  if (small) closers.push(() => small.unmount());
  const through = { redis: [] as readonly string[], mysql: [] as readonly string[] };
  const optionsOf = (name: "redis" | "mysql", layout: Layout) => {
    mkdirSync(layout.folder, { recursive: true, mode: 0o700 });
    closers.push(() => rmSync(socketFolder(layout), { recursive: true, force: true }));
    return { keepUp: false, onSay: say, signal: stop, through: () => through[name] };
  };
  const redisPlain = redisServer(layouts.redis, "durable", optionsOf("redis", layouts.redis));
  const mysqlPlain = mysqlServer(layouts.mysql, optionsOf("mysql", layouts.mysql));
  closers.push(
    () => redisPlain.process.kill("SIGKILL"),
    () => mysqlPlain.process.kill("SIGKILL"),
  );
  await Promise.all([redisPlain.process.start(), mysqlPlain.start()]);
  const seller = await fillDatabase(mysqlPlain);
  const redisClient = connectRedis(redisPlain.url, "worker", createLog("silent"));
  closers.push(() => redisClient.disconnect());

  const secret = randomBytes(48).toString("base64url");
  const codeSecret = randomBytes(48).toString("base64url");
  const deaths: string[] = [];
  const apis = await Promise.all(
    Array.from({ length: APIS }, (_, index) =>
      Api.open({
        ...{ index, service, secret, codeSecret, database: DATABASE },
        logFile: join(folder, `api-${index}.log`),
        redis: { path: join(socketFolder(layouts.redis), "redis.sock") },
        mysql: { path: join(socketFolder(layouts.mysql), "mysql.sock") },
        onDeath: (sentence) => void deaths.push(sentence),
      }),
    ),
  );
  closers.push(async () => void (await Promise.all(apis.map((api) => api.close()))));
  await Promise.all(apis.map((api) => api.start()));
  return {
    ...{ folder, secret, codeSecret, seller, apis, redisClient, deaths, close },
    redis: serverOf("redis", redisPlain.process, through, deaths),
    mysql: serverOf("mysql", mysqlPlain.process, through, deaths),
    connect: () => openConnection(mysqlPlain.urlOf(DATABASE), { queryTimeoutMs: PATIENCE_MS }),
    databaseUrl: mysqlPlain.urlOf(DATABASE),
    redisUrl: redisPlain.url,
    disk: small && { of, small },
    cannot: whatCannotBe(small),
  };
}
