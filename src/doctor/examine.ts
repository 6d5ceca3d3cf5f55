// Everything the doctor looks at, in the order in which a reader wants it: the servers, what the service has in
// them, the sale. A server that is away is one failure, and what does not need it is looked at all the same.

import type { Clock } from "../clock.ts";
import type { Durability, SecretSeen } from "../config.ts";
import { type Database, type DatabasePool, openPool } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { livingProcesses } from "../ledger/liveness.ts";
import type { Log } from "../log.ts";
import { connectRedis, type Redis } from "../redis/client.ts";
import { type Check, failure, looking, none } from "./check.ts";
import { judgeClocks, mysqlClock, redisClock } from "./clocks.ts";
import { checkBacklog, checkHistory } from "./ledger.ts";
import { checkMachine } from "./machine.ts";
import { checkMemory } from "./memory.ts";
import { checkMysql } from "./mysql.ts";
import { checkRedis } from "./redis.ts";
import { checkSale } from "./sale.ts";
import { checkSales } from "./sales.ts";
import { checkSecrets } from "./secrets.ts";
import { checkGates, checkLeases } from "./shards.ts";

export interface Patient {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly durability: Durability;
  /** What is wrong with the settings, the secrets left out. */
  readonly settingsProblems: readonly string[];
  readonly secrets: readonly SecretSeen[];
  readonly saleId: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks at everything once. Never throws for a server that is away. */
export async function examine(patient: Patient): Promise<Check[]> {
  const redis = connectRedis(patient.redisUrl, "reads", patient.log);
  const pool = openPool(patient.databaseUrl, 2);
  try {
    const redisFault = await faultOfRedis(redis);
    const mysqlFault = await faultOfMysql(pool);
    const servers = {
      redis: redisFault ? undefined : redis,
      db: mysqlFault ? undefined : pool.db,
    };
    return [
      ...(redisFault ? [redisFault] : []),
      ...(mysqlFault ? [mysqlFault] : []),
      ...(await lookAtAll(patient, servers)),
    ];
  } finally {
    redis.disconnect();
    await pool.close();
  }
}

async function faultOfRedis(redis: Redis): Promise<Check | undefined> {
  try {
    await new Promise<void>((resolve, reject) => {
      redis.once("ready", resolve);
      redis.once("error", reject);
    });
    await redis.ping();
    return undefined;
  } catch (error) {
    return failure(
      "redis",
      `away: ${reasonOf(error)}`,
      "Start it, or mend REDIS_URL. What needs it has not been looked at.",
    );
  }
}

async function faultOfMysql({ db }: DatabasePool): Promise<Check | undefined> {
  try {
    await db.execute("SELECT 1");
    return undefined;
  } catch (error) {
    return failure(
      "mysql",
      `away: ${reasonOf(error)}`,
      "Start it, or mend DATABASE_URL. What needs it has not been looked at.",
    );
  }
}

interface Servers {
  readonly redis: Redis | undefined;
  readonly db: Database | undefined;
}

async function lookAtAll(patient: Patient, { redis, db }: Servers): Promise<Check[]> {
  const { clock, durability, saleId } = patient;
  const processes = await processesToCome(db);
  const checks: Check[] = [];
  const look = async (name: string, subject: () => Promise<Check[]>) => {
    checks.push(...(await looking(name, subject)));
  };
  if (redis) await look("redis", () => checkRedis(redis, { durability, processes }));
  if (redis && db) await look("memory", () => checkMemory(redis, db));
  if (db) await look("mysql", () => checkMysql(db, { processes }));
  await look("clocks", async () => {
    const offsets = [
      ...(redis ? [await redisClock(redis, clock)] : []),
      ...(db ? [await mysqlClock(db, clock)] : []),
    ];
    return judgeClocks(offsets);
  });
  checks.push(
    ...checkMachine(),
    none("settings", patient.settingsProblems, {
      well: `good, ${durability}`,
      advice: "The service does not start like this; .env.example explains every setting.",
    }),
    ...checkSecrets(patient.secrets),
  );
  if (redis && db) await look("gates", () => checkGates(redis, db));
  if (db) await look("leases", () => checkLeases(db));
  if (redis) await look("backlog", () => checkBacklog(redis));
  if (db) await look("ledger", () => checkHistory(db));
  if (redis && db) await look("sales", () => checkSales(redis, db));
  if (db && saleId !== undefined) {
    await look(`sale ${saleId}`, () => checkSale(saleId, { redis, db, nowMs: clock.now() }));
  }
  return checks;
}

/** The processes that connections are counted for: those that live, and one that takes another's place. */
async function processesToCome(db: Database | undefined): Promise<number> {
  const living = db ? await livingProcesses(db).catch(() => []) : [];
  return Math.max(1, living.length) + 1;
}
