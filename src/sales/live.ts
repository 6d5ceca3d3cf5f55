// The counters that move, read for many pages at once: one pipeline with each distinct sale once and each
// distinct seller's version once. See redis/group.ts for why this is as fresh as a read per request.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead, type GroupRead } from "../redis/group.ts";
import { saleKeys, sellerVersionKey } from "../redis/keys.ts";
import { type Counter, counterOf, type SellerPage } from "./page.ts";

/** What Redis said about one page; shared by all requests of that read. */
export interface LivePage {
  /** The seller's version, or null where none stands. */
  readonly version: string | null;
  /** By the order of the page; undefined where Redis does not have the sale. */
  readonly counters: readonly (Counter | undefined)[];
  /** The page as text, once somebody has made it. */
  text?: Promise<string> | string;
}

type Counters = (string | null)[];

const counterFrom = ([total, granted, returned]: Counters): Counter | undefined =>
  total == null ? undefined : counterOf(Number(total), Number(granted ?? 0), Number(returned ?? 0));

async function readPages(
  redis: Redis,
  pages: readonly SellerPage[],
): Promise<(LivePage | undefined)[]> {
  const pipeline = redis.pipeline();
  const places = new Map<string, number>();
  const place = (key: string): boolean => {
    if (places.has(key)) return false;
    places.set(key, places.size);
    return true;
  };
  for (const { sellerId, saleIds } of pages) {
    const versionKey = sellerVersionKey(sellerId);
    if (place(versionKey)) pipeline.get(versionKey);
    for (const saleId of saleIds) {
      const { sale } = saleKeys(saleId);
      if (place(sale)) pipeline.hmget(sale, "total", "granted", "returned");
    }
  }
  const replies = (await pipeline.exec()) ?? [];
  if (replies.length !== places.size || replies.some(([error]) => error)) {
    return pages.map(() => undefined);
  }
  const replyTo = (key: string) => replies[places.get(key) as number]?.[1];
  return pages.map(({ sellerId, saleIds }) => ({
    version: replyTo(sellerVersionKey(sellerId)) as string | null,
    counters: saleIds.map((id) => counterFrom(replyTo(saleKeys(id).sale) as Counters)),
  }));
}

/** Reads pages' versions and counters; undefined when Redis did not answer. */
export const createLivePages = (redis: Redis): GroupRead<SellerPage, LivePage | undefined> =>
  createGroupRead({
    requestsMax: Math.floor(limits.counterSalesPerReadMax / limits.listPageSize),
    readsAtOnce: limits.counterReadsAtOnce,
    identityOf: (page) => page,
    run: (pages) => readPages(redis, pages),
  });
