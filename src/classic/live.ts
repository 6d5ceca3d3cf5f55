// What moves in sellers' lists, read for many pages at once: one pipeline with one script call per shard. See
// redis/group.ts for why this is as fresh as a read per request.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead, type GroupRead } from "../redis/group.ts";
import { sellerVersionKey, shardOf } from "../redis/keys.ts";
import { callScript, readMany, readScript } from "../redis/reading.ts";
import source from "./live.lua" with { type: "text" };
import { type Counter, counterOf, type SellerPage } from "./seller-page.ts";

/** What Redis said about one page; shared by all requests of that read. */
export interface LivePage {
  /** The seller's version, or null where none stands. */
  readonly version: string | null;
  /** By the order of the page; undefined where Redis does not have the sale whole. */
  readonly counters: readonly (Counter | undefined)[];
  /** The page as text, once somebody has made it. */
  text?: Promise<string> | string;
}

const script = readScript(source);

/** What one pipeline asks of one shard, and where its answers belong. */
class ShardRead {
  readonly saleKeys: string[] = [];
  /** The page and the place on it of each sale, two numbers per sale. */
  readonly places: number[] = [];
  readonly versionKeys: string[] = [];
  /** The page of each version. */
  readonly pages: number[] = [];
}

type Draft = { version: string | null; counters: (Counter | undefined)[] };

function takeReply(reply: string, shard: ShardRead, drafts: readonly Draft[]): void {
  const words = reply.split(" ");
  const { places, pages } = shard;
  let word = 0;
  for (let at = 0; at < places.length; at += 2, word += 3) {
    const draft = drafts[places[at] as number] as Draft;
    const total = Number(words[word]);
    const granted = Number(words[word + 1]);
    const returned = Number(words[word + 2]);
    // Digits or "-" are all that the script gives; of what is too long for a number it is the sum that shows it.
    draft.counters[places[at + 1] as number] = Number.isSafeInteger(total + granted + returned)
      ? counterOf(total, granted, returned)
      : undefined;
  }
  for (const page of pages) {
    const version = words[word++] as string;
    (drafts[page] as Draft).version = version === "-" ? null : version;
  }
}

function shardReads(pages: readonly SellerPage[]): ShardRead[] {
  const shards: ShardRead[] = [];
  const at = (shard: number): ShardRead => {
    shards[shard] ??= new ShardRead();
    return shards[shard];
  };
  pages.forEach((page, index) => {
    const sellerShard = at(shardOf(page.sellerId));
    sellerShard.versionKeys.push(sellerVersionKey(page.sellerId));
    sellerShard.pages.push(index);
    page.saleIds.forEach((saleId, line) => {
      const shard = at(shardOf(saleId));
      shard.saleKeys.push(page.saleKeys[line] as string);
      shard.places.push(index, line);
    });
  });
  return shards.filter(Boolean);
}

async function readPages(redis: Redis, pages: readonly SellerPage[]): Promise<LivePage[]> {
  const drafts = pages.map((): Draft => ({ version: null, counters: [] }));
  const shards = shardReads(pages);
  const replies = await readMany(
    redis,
    (pipeline) => {
      for (const { saleKeys, versionKeys } of shards) {
        callScript(pipeline, script, [...saleKeys, ...versionKeys], saleKeys.length);
      }
    },
    script,
  );
  shards.forEach((shard, index) => {
    takeReply(replies[index] as string, shard, drafts);
  });
  return drafts;
}

/** Reads pages' versions and counters. Throws RedisAway. */
export const createLivePages = (redis: Redis): GroupRead<SellerPage, LivePage> =>
  createGroupRead({
    requestsMax: Math.floor(limits.counterSalesPerReadMax / limits.listPageSize),
    readsAtOnce: limits.counterReadsAtOnce,
    identityOf: (page) => page,
    run: (pages) => readPages(redis, pages),
  });
