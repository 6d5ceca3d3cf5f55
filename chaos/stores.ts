// Faults inside Redis and the database: what an operator, a full disk or another client does to them.

import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { layoutOf } from "../src/embedded/layout.ts";
import type { Inject } from "./faults.ts";
import type { ChaosSystem } from "./system.ts";

/** How long a freed server gets to go on by itself. A database that found its disk full looks again once a minute. */
const FREED_MS_MAX = 1_500;
const INSIST_MS_MAX = 10_000;
const INSIST_PAUSE_MS = 50;
/** What a full disk still has room for. */
const LEFT_BYTES = 8 * 1_024;
/** What an operating system may not have written yet when the power fails. */
const TAIL_BYTES = [200, 20_000] as const;

/** Has Redis do something, and asks again while it does not answer: its disk may be busy, or this client's link new. */
async function insist(command: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + INSIST_MS_MAX;
  for (;;) {
    try {
      await command();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(INSIST_PAUSE_MS);
    }
  }
}

export const pauseRedis: Inject = async ({ redisClient }, { forMs, lot }) => {
  const what = lot < 0.5 ? "WRITE" : "ALL";
  await insist(() => redisClient.call("CLIENT", "PAUSE", String(forMs), what));
  return async () => undefined;
};

export const flushScripts: Inject = async ({ redisClient }) => {
  await insist(() => redisClient.script("FLUSH"));
  return async () => undefined;
};

export const rewriteFile: Inject = async ({ redisClient }) => {
  // One that is away or at it already does not begin.
  await redisClient.bgrewriteaof().catch(() => undefined);
  return async () => undefined;
};

export const emptyRedis: Inject = async ({ redisClient }) => {
  await insist(() => redisClient.flushall());
  return async () => undefined;
};

/** The newest part of the append-only file. */
function lastIncrement(folder: string): string {
  const numberOf = (name: string) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? -1);
  const [last] = readdirSync(folder).toSorted((a, b) => numberOf(b) - numberOf(a));
  if (!last || numberOf(last) < 0) throw new Error(`there is no append-only file in ${folder}`);
  return join(folder, last);
}

/** Power loss on a disk that lied about what it had written. */
export const cutTail: Inject = async ({ folder, redis }, { lot }) => {
  await redis.kill();
  const file = lastIncrement(join(layoutOf(join(folder, "redis")).redis, "appendonlydir"));
  const bytes = Math.floor(TAIL_BYTES[0] + lot * (TAIL_BYTES[1] - TAIL_BYTES[0]));
  truncateSync(file, Math.max(0, statSync(file).size - bytes));
  return () => redis.start();
};

/** The lock goes with the connection that holds it, also when the database has died in between. */
export const lockMysql: Inject = async (system, { lot }) => {
  const connection = await system.connect();
  const statement = lot < 0.5 ? "FLUSH TABLES WITH READ LOCK" : "LOCK TABLES grants WRITE";
  await connection.db.execute(sql.raw(statement));
  return async () => connection.destroy();
};

export const makeReadOnly: Inject = async (system) => {
  const set = async (value: "ON" | "OFF") => {
    const connection = await system.connect();
    try {
      await connection.db.execute(sql.raw(`SET GLOBAL read_only = ${value}`));
    } finally {
      await connection.close();
    }
  };
  await set("ON");
  return () => set("OFF");
};

export const killConnections: Inject = async (system) => {
  const connection = await system.connect();
  try {
    const [rows] = await connection.db.execute(
      sql`SELECT id FROM information_schema.processlist WHERE user = 'doorbuster'`,
    );
    for (const { id } of rows as unknown as { id: number }[]) {
      // One that has gone by itself meanwhile is no more than what was wanted.
      await connection.db.execute(sql.raw(`KILL ${id}`)).catch(() => undefined);
    }
  } finally {
    await connection.close();
  }
  return async () => undefined;
};

async function writes(system: ChaosSystem, of: "redis" | "mysql"): Promise<boolean> {
  try {
    if (of === "redis") return (await system.redisClient.set("chaos:disk", "1", "EX", 1)) === "OK";
    const connection = await system.connect();
    try {
      const touched = connection.db.execute(sql`CREATE OR REPLACE TABLE chaos_disk (one INT)`);
      return await Promise.race([
        touched.then(() => true),
        Bun.sleep(FREED_MS_MAX / 3).then(() => false),
      ]);
    } finally {
      connection.destroy();
    }
  } catch {
    return false;
  }
}

/** Redis ends when it cannot write what it must confirm; it is started again once there is room, like by any supervisor. */
export const fillDisk: Inject = async (system) => {
  const { disk } = system;
  if (!disk) throw new Error("there is no small disk here");
  const free = disk.small.fill(LEFT_BYTES);
  return async () => {
    free();
    const server = system[disk.of];
    const deadline = performance.now() + FREED_MS_MAX;
    while (server.pid !== undefined && performance.now() < deadline) {
      if (await writes(system, disk.of)) return;
      await Bun.sleep(100);
    }
    await server.kill();
    await server.start();
  };
};
