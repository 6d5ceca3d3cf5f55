// Reading a shard's stream, in batches that fit one transaction.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { shardKeys } from "../redis/keys.ts";
import { type LedgerEntry, parseEntry, type RawEntry } from "./entry.ts";

const grantsIn = (entries: readonly LedgerEntry[]): number =>
  entries.reduce((sum, entry) => sum + (entry.kind === "grant" ? entry.grants.length : 1), 0);

/**
 * Reads what follows `after` in a shard's stream, at most `streamReadEntriesMax` entries. With `blockMs` it
 * waits so long for the first one; that takes a connection of its own.
 */
export async function readStream(
  redis: Redis,
  shard: number,
  after: string,
  blockMs?: number,
): Promise<LedgerEntry[]> {
  const { ledger } = shardKeys(shard);
  const count = limits.streamReadEntriesMax;
  const reply =
    blockMs === undefined
      ? await redis.xread("COUNT", count, "STREAMS", ledger, after)
      : await redis.xread("COUNT", count, "BLOCK", blockMs, "STREAMS", ledger, after);
  const raw = (reply?.[0]?.[1] ?? []) as RawEntry[];
  return raw.map(parseEntry);
}

/** The id of the oldest entry of a shard's stream; undefined when there is none. */
export async function firstEntryId(redis: Redis, shard: number): Promise<string | undefined> {
  const [first] = await redis.xrange(shardKeys(shard).ledger, "-", "+", "COUNT", 1);
  return first?.[0];
}

/** True when these entries fill a transaction, so that waiting for more gains nothing. */
export const fillsBatch = (entries: readonly LedgerEntry[]): boolean =>
  grantsIn(entries) >= limits.batchGrantsMax;

/** Cuts entries into runs of at most `batchGrantsMax` grants; an entry is never split. */
export function* batchesOf(entries: readonly LedgerEntry[]): Generator<LedgerEntry[]> {
  let batch: LedgerEntry[] = [];
  let size = 0;
  for (const entry of entries) {
    const grants = grantsIn([entry]);
    if (batch.length > 0 && size + grants > limits.batchGrantsMax) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(entry);
    size += grants;
  }
  if (batch.length > 0) yield batch;
}
