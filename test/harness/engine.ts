// The engine without HTTP: gates, queue, warmer, and the real ledger thread, as src/service.ts puts them
// together. Two of them share nothing but Redis and MySQL, like two processes.

import { desc, eq } from "drizzle-orm";
import type { Durability } from "../../src/config.ts";
import { type DatabasePool, openPool } from "../../src/db/client.ts";
import { Gates, type OpenGate } from "../../src/grab/gates.ts";
import type { GrabOutcome } from "../../src/grab/outcome.ts";
import { createGrabQueue, type QueueEvents } from "../../src/grab/queue.ts";
import { type LedgerHandle, startLedgerThread } from "../../src/ledger/handle.ts";
import { type ToldGrant, witnessedGrant } from "../../src/ledger/memory.ts";
import { recoveries, shards } from "../../src/ledger/table.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis, type Redis } from "../../src/redis/client.ts";
import { saleKeys, shardOf } from "../../src/redis/keys.ts";
import { createWarmer } from "../../src/sales/warm.ts";
import { TEST_CODE_SECRET } from "./api.ts";
import { inParallel } from "./http.ts";
import { newSale, rowsOf } from "./ledger.ts";
import { stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface Engine {
  readonly redis: Redis;
  readonly pool: DatabasePool;
  readonly gates: Gates;
  readonly thread: LedgerHandle;
  /** Makes a sale and warms it. */
  sale(total: number, fields?: Parameters<typeof newSale>[1]): Promise<number>;
  grab(saleId: number, user: number, keyHash?: string): Promise<GrabOutcome>;
  /** Grabs until the outcome is definite, as a user would. */
  grabSurely(saleId: number, user: number, keyHash?: string): Promise<GrabOutcome>;
  /** The sale's hash in Redis. */
  counters(saleId: number): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

let processes = 0;

/** An audit that comes by while a test has damaged something would pause the sale. */
const NEVER_MS = 3_600_000;

/** Starts one and, unless `ready` is false, waits until all its gates are open. It audits only when it is told how often. */
export async function startEngine(
  servers: { redisUrl: string; databaseUrl: string },
  {
    durability = "durable",
    ledgerKeepMs = 0,
    auditMs = NEVER_MS,
    ready = true,
  }: {
    durability?: Durability;
    ledgerKeepMs?: number;
    auditMs?: number;
    ready?: boolean;
  } = {},
): Promise<Engine> {
  const log = createLog("silent");
  const redis = connectRedis(servers.redisUrl, "grabs", log);
  const pool = openPool(servers.databaseUrl, 8);
  let thread: LedgerHandle | undefined;
  const gates = new Gates((shard, reason) => thread?.open(shard, reason));
  const closed = (shard: number, epoch: number) => {
    const gate = gates.at(shard);
    if (gate && gate.epoch <= epoch) gates.close(shard, gate, "a recovery has begun");
  };
  await until("Redis", () => redis.status === "ready");
  const processId = `engine ${++processes}`;
  thread = startLedgerThread(
    {
      ...{ ...servers, durability, ledgerKeepMs, logLevel: "silent", processId },
      codeSecrets: [TEST_CODE_SECRET],
      auditMs,
    },
    log,
    { opened: (shard, epoch, incarnation) => gates.open(shard, epoch, incarnation), closed },
  );
  const queue = createGrabQueue({ redis, gates, log }, eventsOf(thread));
  const warmer = createWarmer({ db: pool.db, redis, gates, log });
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      await thread.drain();
      redis.disconnect();
      await pool.close();
    })());
  stopLater(stop);
  if (ready) await gates.opened;

  const grab: Engine["grab"] = (saleId, user, keyHash = "") =>
    queue.grab(saleId, String(user), keyHash);
  return {
    ...{ redis, pool, gates, thread, grab, stop },
    async sale(total, fields) {
      const saleId = await newSale(pool.db, { total, ...fields });
      await until("a warm sale", async () => (await warmer.warm(saleId)) === "warm");
      return saleId;
    },
    grabSurely: (saleId, user, keyHash) =>
      until(`a definite answer for user ${user}`, async () => {
        const outcome = await grab(saleId, user, keyHash);
        if (outcome.kind === "unavailable") throw new Error(outcome.reason);
        return outcome;
      }),
    counters: (saleId) => redis.hgetall(saleKeys(saleId).sale),
  };
}

function eventsOf(thread: LedgerHandle): QueueEvents {
  const witnessed = (...grant: ToldGrant) => witnessedGrant(Date.now(), ...grant);
  return {
    called() {},
    granted: (...grant) => thread.confirmed.add(witnessed(...grant)),
    repeated: (...grant) => thread.confirmed.addRepeated(witnessed(...grant)),
    soldOut() {},
    missing: (saleId: number, gate: OpenGate) => thread.missing(saleId, gate.epoch),
  };
}

/** Nobody writes this sale's shard any more until a recovery takes it over: MySQL falls behind. */
export async function stopWriting(engines: readonly Engine[], saleId: number): Promise<void> {
  const shard = shardOf(saleId);
  await engines[0]?.pool.db
    .update(shards)
    .set({ leaseOwner: "somebody else", leaseUntil: new Date(Date.now() + 3_600_000) })
    .where(eq(shards.shard, shard));
  await until("the writer to let go", () =>
    engines.every(({ thread }) => thread.status()?.shards[shard]?.owned === false),
  );
}

/** Takes back what `stopWriting` did. */
export async function writeAgain({ pool }: Engine, saleId: number): Promise<void> {
  await pool.db
    .update(shards)
    .set({ leaseOwner: null, leaseUntil: null })
    .where(eq(shards.shard, shardOf(saleId)));
}

/** The latest recovery of the sale's shard. */
export async function latestRecovery({ pool }: Engine, saleId: number) {
  const [row] = await pool.db
    .select()
    .from(recoveries)
    .where(eq(recoveries.shard, shardOf(saleId)))
    .orderBy(desc(recoveries.id))
    .limit(1);
  return row;
}

/** These users grab, so many at once; gives the numbers they were told. Those who lost are left out. */
export async function crowd(
  { grabSurely }: Engine,
  saleId: number,
  [first, last]: readonly [number, number],
  atOnce = 1_000,
): Promise<[number, number][]> {
  const users = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const outcomes = await inParallel(users, atOnce, (user) => grabSurely(saleId, user));
  return outcomes.flatMap((outcome, i) =>
    outcome.kind === "granted" || outcome.kind === "repeated"
      ? [[outcome.number, users[i] ?? 0] as [number, number]]
      : [],
  );
}

/** Waits until MySQL holds exactly these grants, each number once. */
export async function untilRows(
  { pool }: Engine,
  saleId: number,
  confirmed: [number, number][],
): Promise<void> {
  const expected = JSON.stringify(confirmed.toSorted(([a], [b]) => a - b));
  await until(`${confirmed.length} rows`, async () => {
    const rows = await rowsOf(pool.db, saleId);
    return JSON.stringify(rows) === expected || Promise.reject(new Error(`${rows.length} rows`));
  });
}
