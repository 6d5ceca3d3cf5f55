// A process as far as leases are concerned: a writer per shard, and a round of claims when the test says so.

import type { LedgerContext } from "../../src/ledger/context.ts";
import { Leases } from "../../src/ledger/leases.ts";
import { ShardWriter } from "../../src/ledger/shard.ts";
import { allShards } from "../../src/redis/keys.ts";
import { ledgerContext } from "./ledger.ts";
import { stopLater } from "./servers.ts";

export interface Writers {
  readonly id: string;
  readonly context: LedgerContext;
  readonly writers: ShardWriter[];
  readonly leases: Leases;
  /** Shard and reason of each fence that a writer has met. */
  readonly fences: string[];
  /** The shards that it writes now. */
  owned(): number[];
  /** Gives all leases back. */
  release(): Promise<void>;
}

/** One that holds nothing yet. */
export async function startWriters(
  servers: { redisUrl: string; databaseUrl: string },
  id: string,
  ledgerKeepMs: number,
): Promise<Writers> {
  const context = await ledgerContext(servers, id, { ledgerKeepMs });
  const fences: string[] = [];
  const onFence = (shard: number, reason: string) => void fences.push(`${shard} ${reason}`);
  const writers = allShards.map((shard) => new ShardWriter(context, shard, { onFence }));
  const release = async () => {
    await Promise.all(writers.map((writer) => writer.release()));
  };
  stopLater(release);
  return {
    ...{ id, context, writers, fences, release, leases: new Leases(context, writers) },
    owned: () => writers.filter((writer) => writer.owned).map((writer) => writer.shard),
  };
}
