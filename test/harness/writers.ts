// A process as far as leases are concerned: a writer per shard, and a round of claims when the test says so.

import { eq, sql } from "drizzle-orm";
import { type Database, openPool } from "../../src/db/client.ts";
import { shardScripts } from "../../src/grab/scripts.ts";
import type { LedgerContext } from "../../src/ledger/context.ts";
import { Heart } from "../../src/ledger/heart.ts";
import { Leases } from "../../src/ledger/leases.ts";
import { ShardWriter } from "../../src/ledger/shard.ts";
import { processes, shards } from "../../src/ledger/table.ts";
import { limits } from "../../src/limits.ts";
import { allShards, shardKeys } from "../../src/redis/keys.ts";
import { ledgerContext } from "./ledger.ts";
import { freshDatabase, startRedis, stopLater } from "./servers.ts";

export interface Writers {
  readonly id: string;
  readonly context: LedgerContext;
  readonly writers: ShardWriter[];
  readonly heart: Heart;
  readonly leases: Leases;
  /** Shard and reason of each fence and each loss that a writer has met. */
  readonly fences: string[];
  /** What it does every second: a heartbeat and a round of claims. */
  tick(): Promise<void>;
  /** The shards that it writes now. */
  owned(): number[];
  /** Gives all leases back. */
  release(): Promise<void>;
}

/** One that holds nothing yet. */
async function startWriters(
  servers: { redisUrl: string; databaseUrl: string },
  id: string,
  ledgerKeepMs: number,
): Promise<Writers> {
  const context = await ledgerContext(servers, id, { ledgerKeepMs });
  const fences: string[] = [];
  const onFence = (shard: number, reason: string) => void fences.push(`${shard} ${reason}`);
  const onLoss = (shard: number, _: number, reason: string) => onFence(shard, reason);
  const writers = allShards.map((shard) => new ShardWriter(context, shard, { onFence, onLoss }));
  const release = async () => {
    await Promise.all(writers.map((writer) => writer.release()));
  };
  stopLater(release);
  const leases = new Leases(context, writers);
  const pulse = openPool(servers.databaseUrl, limits.ledgerHeartConnections);
  stopLater(pulse.close);
  const heart = new Heart(pulse.db, id);
  return {
    ...{ id, context, writers, fences, release, heart, leases },
    async tick() {
      await heart.beat(leases.reachesRedis);
      await leases.tick();
    },
    owned: () => writers.filter((writer) => writer.owned).map((writer) => writer.shard),
  };
}

export interface WritersRig {
  readonly servers: { redisUrl: string; databaseUrl: string };
  readonly db: Database;
  /** A process that holds nothing yet, with a name of its own. */
  startProcess(options?: { ledgerKeepMs?: number; databaseUrl?: string }): Promise<Writers>;
  /** Ends the processes there are; then all shards are free, as a recovery leaves them. */
  begin(): Promise<void>;
  /** What a recovery does to these shards last: new scripts, an open gate, no lease. */
  recoveredAs(incarnation: string, which: readonly number[]): Promise<void>;
  /** Lets the lease of a shard run out. */
  expire(shard: number): Promise<unknown>;
}

/** A Redis and a database for tests of leases; `begin` comes before each test. */
export async function writersRig(): Promise<WritersRig> {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const servers = { redisUrl: redis.url, databaseUrl: database.url };
  const { db, close } = openPool(database.url, 4);
  stopLater(close);
  const context = await ledgerContext(servers, "recovery");
  let started: Writers[] = [];
  let names = 0;

  async function recoveredAs(incarnation: string, which: readonly number[]): Promise<void> {
    await context.redis.script("FLUSH");
    for (const { text } of Object.values(shardScripts(incarnation)))
      await context.redis.script("LOAD", text);
    for (const shard of which) {
      await context.redis.hset(shardKeys(shard).gate, { epoch: "1", state: "open" });
      await db
        .update(shards)
        .set({ epoch: 1, incarnation, leaseOwner: null, leaseUntil: null, connectionId: null })
        .where(eq(shards.shard, shard));
    }
  }

  return {
    ...{ servers, db, recoveredAs },
    async startProcess({ ledgerKeepMs = 0, databaseUrl = servers.databaseUrl } = {}) {
      const reached = { ...servers, databaseUrl };
      const process = await startWriters(reached, `process ${++names}`, ledgerKeepMs);
      started.push(process);
      return process;
    },
    async begin() {
      await Promise.all(started.map(({ release }) => release()));
      started = [];
      await db.delete(processes);
      await recoveredAs("incarnation", allShards);
      for (const shard of allShards) {
        const { ledger } = shardKeys(shard);
        const marker = await context.redis.xadd(ledger, "*", "kind", "epoch", "epoch", "1");
        await db
          .update(shards)
          .set({ lastId: marker ?? "" })
          .where(eq(shards.shard, shard));
      }
    },
    expire: (shard) =>
      db
        .update(shards)
        .set({ leaseUntil: sql`NOW(3) - INTERVAL 1 SECOND` })
        .where(eq(shards.shard, shard)),
  };
}
