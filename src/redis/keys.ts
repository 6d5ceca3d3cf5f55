// Every Redis key this service owns. The braces name the shard: they put all that one script touches
// into one Cluster slot. Keys hold ids or digests, never names, so that no name can collide with another
// key or choose a slot. No key of a running sale has a TTL: an expired winners hash would let a user win
// twice. What has a TTL is a cache, and starts with `cache:`.

import { createHash } from "node:crypto";
import { limits } from "../limits.ts";

/** The shard that a sale lives on for ever: its id modulo the number of shards. */
export const shardOf = (saleId: number): number => saleId % limits.shards;

/** All shard numbers, 0 first. */
export const allShards: readonly number[] = Array.from(
  { length: limits.shards },
  (_, shard) => shard,
);

export const shardKeys = (shard: number) => ({
  /** hash: epoch, state (open, closed), opened and restored (the last epochs that were so). Written by recovery only. */
  gate: `{s${shard}}:gate`,
  /** stream: one entry per script call that granted. Trimmed behind MySQL's cursor only. */
  ledger: `{s${shard}}:ledger`,
  /** set: ids of sales with grants that MySQL does not have yet; grab.lua adds, recorded.lua removes. */
  unrecorded: `{s${shard}}:unrecorded`,
  /** set: `<epoch> <sale id>` of winners that a recovery is building; what a dead leader has left is found here. */
  rebuilds: `{s${shard}}:rebuilds`,
});

export const saleKeys = (saleId: number) => ({
  ...shardKeys(shardOf(saleId)),
  /**
   * hash: state, total, granted, returned, recorded, limit; where it has one opens, closes, rate; once it was changed
   * version and change (the id of the last change that was made).
   */
  sale: `{s${shardOf(saleId)}}:sale:${saleId}`,
  /** hash: user id -> grant number, or by slot `number:keyhash,...`; the guard against a second win. */
  winners: `{s${shardOf(saleId)}}:sale:${saleId}:winners`,
});

/** Where recovery builds a sale's winners before it swaps them in; one per epoch. */
export const rebuildKey = (saleId: number, epoch: number): string =>
  `{s${shardOf(saleId)}}:rebuild:${epoch}:sale:${saleId}:winners`;

/** A short fixed name for text that users choose. */
const digest = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 40);

export const cacheKeys = {
  /** string, TTL: one cached thing or a lease to load it; src/cache/shared.ts has the format. */
  entry: (kind: string, key: string | number) =>
    `cache:{${kind}}:${typeof key === "number" ? key : digest(key)}`,
  /** string: a word that all current entries of the kind begin with; without it all of them are void. */
  generation: (kind: string) => `cache:{${kind}}:generation`,
  /** string: counts the changes announced, so that a lost message is noticed. */
  changes: "cache:changes",
};

/**
 * string, TTL: a word drawn anew whenever a seller makes a sale; a page of the seller's list that a process
 * holds is valid while the word stands. Random, not counted: a count could come back after a loss.
 * It is on a shard, by the seller's id, so that one call reads it with the sales there.
 */
export const sellerVersionKey = (sellerId: number): string =>
  `cache:{s${shardOf(sellerId)}}:seller:${sellerId}:version`;

/** string: how far MySQL's binlog was read, as JSON; lost or set back together with the entries that it speaks for. */
export const capturePositionKey = "cache:capture:position";

/** sorted set: revoked token ids by the second at which they expire anyway. */
export const revokedKey = "revoked:tokens";
/** string: counts the changes of the set above, so that a lost message is noticed. */
export const revokedVersionKey = "revoked:version";

/** string, TTL: attempts in the current window of one limited action by one name or address. */
export const rateKey = (action: string, subject: string): string =>
  `rate:${action}:${digest(subject)}`;

/** Pub/sub channels; a message is a hint that saves time, never the only way to learn something. */
export const channels = {
  /** `<token id> <expiry second>` */
  revoked: "revoked",
  /** `<user id> <millisecond>`: tokens of the user from before are over. */
  ended: "ended",
  /** What has changed under the caches, or a mark; src/cache/changes.ts has the format. */
  changed: "changed",
} as const;
