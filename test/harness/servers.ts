// Real servers for tests. `npm test` starts a MySQL or MariaDB, or takes the one that DATABASE_URL names; each test
// file makes databases of its own on it, which nobody else sees. A Redis is so quick to start that each file has its
// own: scripts and gates belong to a whole server.
// Everything that a file started is stopped by `stopEverything`, which it hands to `afterAll`.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Durability } from "../../src/config.ts";
import { migrate } from "../../src/db/migrate.ts";
import { layoutOf } from "../../src/embedded/layout.ts";
import {
  createDatabase,
  dropDatabase,
  type MysqlServer,
  mysqlServer,
} from "../../src/embedded/mysql.ts";
import { type RedisServer, redisOf, redisProgram } from "../../src/embedded/redis.ts";

const stoppers: (() => Promise<void>)[] = [];

/** Registers something to be stopped after the test file; the last one first. */
export function stopLater(stop: () => Promise<void>): void {
  stoppers.push(stop);
}

/** Stops all that this test file started: `afterAll(stopEverything)`. */
export async function stopEverything(): Promise<void> {
  for (let stop = stoppers.pop(); stop; stop = stoppers.pop()) await stop();
}

function given(name: "DATABASE_URL" | "TEST_FOLDER"): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`start these tests by: npm test -- ${Bun.main} (${name} is not set)`);
  }
  return value;
}

/** A new empty folder of this test run. Removed by `stopEverything`, after whatever is started in it. */
export function freshFolder(name: string): string {
  const folder = mkdtempSync(join(given("TEST_FOLDER"), `${name}-`));
  stopLater(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A new database on the run's server; with the tables, unless `migrated` is false. Removed by `stopEverything`. */
export async function freshDatabase({
  migrated = true,
}: {
  migrated?: boolean;
} = {}): Promise<{ url: string; name: string }> {
  const server = given("DATABASE_URL");
  const name = `doorbuster_test_${randomBytes(6).toString("hex")}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await createDatabase(server, name);
  stopLater(() => dropDatabase(server, name));
  if (migrated) await migrate(url.href);
  return { url: url.href, name };
}

const inTest = {
  keepUp: false,
  onSay: (text: string) => console.error(text),
};

/**
 * A Redis of its own, empty and ready. `process.kill("SIGKILL")`, then `process.start()`, is a crash and a
 * restart with the data it had; nobody starts it again by itself.
 */
export async function startRedis({
  durability = "durable",
  folder = freshFolder("redis"),
  through = [],
}: {
  durability?: Durability;
  /** Its data is in the folder `redis` within. */
  folder?: string;
  /** A command that runs it, such as `env NAME=value`. */
  through?: readonly string[];
} = {}): Promise<RedisServer> {
  const program = redisProgram(layoutOf(folder), durability);
  const server = redisOf({ ...program, command: [...through, ...program.command] }, inTest);
  stopLater(() => server.process.stop());
  await server.process.start();
  return server;
}

/** Both stores, empty: as settings of the service, with these in addition, and as the engine takes them. */
export async function startStores<Settings extends Record<string, string>>(settings?: Settings) {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const urls = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  return {
    settings: { ...urls, ...settings } as typeof urls & Settings,
    servers: { redisUrl: redis.url, databaseUrl: database.url },
  };
}

/** A MySQL or MariaDB of its own, for tests that stop it; takes about a second. `url` names a new database. */
export async function startMysql({
  folder = freshFolder("mysql"),
}: {
  folder?: string;
} = {}): Promise<MysqlServer & { url: string }> {
  const server = mysqlServer(layoutOf(folder), inTest);
  stopLater(() => server.process.stop());
  await server.start();
  await createDatabase(server.urlOf("mysql"), "doorbuster");
  return { ...server, url: server.urlOf("doorbuster") };
}
