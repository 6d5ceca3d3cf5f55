// A customer's own list: the union of what Redis knows and MySQL does not have yet with what MySQL has, so
// that a grant is listed right after its 201 on every process. Requests share readings (redis/group.ts): for
// all of a group two round trips to Redis, then one query, then one more for sales not in memory.

import { LRUCache } from "lru-cache";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import { RedisAway } from "../redis/reading.ts";
import { loadSales, type SaleFacts } from "../sales/facts.ts";
import { type Grant, mergePage, storedWindow } from "./grants.ts";
import { readRecent } from "./recent.ts";
import { readStored } from "./stored.ts";

export interface Wallet {
  /**
   * The user's grants that are not returned, newest sale first, `page` from 1: JSON array text of
   * `{"name","stock","description"}`, or "" when the page is empty. Throws MySQL's error; without Redis
   * shows what MySQL has.
   */
  page(userId: string, page: number): Promise<string>;
}

interface WalletRequest {
  readonly userId: string;
  readonly page: number;
  readonly recent: readonly Grant[];
}

const lineOf = ({ name, faceValue, description }: SaleFacts): string =>
  JSON.stringify({ name, stock: faceValue, description });

export function createWallet({ redis, db }: { redis: Redis; db: Database }): Wallet {
  const lines = new LRUCache<number, string>({
    max: limits.cacheSalesMax,
    ttl: limits.cacheMemorySeconds * 1_000,
    ttlResolution: 0,
  });

  /** The line of each sale; a sale that MySQL does not have (a restored backup) has none. */
  async function linesOf(saleIds: ReadonlySet<number>): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    const missing: number[] = [];
    for (const id of saleIds) {
      const line = lines.get(id);
      if (line === undefined) missing.push(id);
      else found.set(id, line);
    }
    if (missing.length === 0) return found;
    for (const sale of await loadSales(db, missing)) {
      const line = lineOf(sale);
      lines.set(sale.id, line);
      found.set(sale.id, line);
    }
    return found;
  }

  async function readPages(requests: readonly WalletRequest[]): Promise<string[]> {
    const windows = requests.map(({ userId, page, recent }) => {
      return { userId, without: recent, ...storedWindow(page, recent.length) };
    });
    const stored = await readStored(db, windows);
    const pages = requests.map(({ page, recent }, index) =>
      mergePage(page, recent, stored[index] ?? []),
    );
    const text = await linesOf(new Set(pages.flat().map(({ saleId }) => saleId)));
    return pages.map((grants) => {
      const listed = grants.flatMap(({ saleId }) => text.get(saleId) ?? []);
      return listed.length === 0 ? "" : `[${listed.join(",")}]`;
    });
  }

  const recentOf = createGroupRead<string, readonly Grant[]>({
    requestsMax: limits.walletUsersPerReadMax,
    readsAtOnce: limits.walletReadsAtOnce,
    identityOf: (userId) => userId,
    run: (userIds) => readRecent(redis, userIds),
  });
  const pageOf = createGroupRead<WalletRequest, string>({
    requestsMax: limits.walletUsersPerReadMax,
    readsAtOnce: limits.walletReadsAtOnce,
    identityOf: (request) => request,
    run: readPages,
  });

  async function recentOrNone(userId: string): Promise<readonly Grant[]> {
    try {
      return await recentOf.read(userId);
    } catch (error) {
      if (error instanceof RedisAway) return [];
      throw error;
    }
  }

  return {
    async page(userId, page) {
      if (page > limits.listPageMax) return "";
      return pageOf.read({ userId, page, recent: await recentOrNone(userId) });
    },
  };
}
