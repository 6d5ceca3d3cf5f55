// A seller's list: the text that does not move from memory, the counters that move from Redis.
//
// A page in memory is valid while the seller's version in Redis is the one that stood before the page was
// read from MySQL. Whoever makes a sale changes the version after COMMIT and before the answer; every
// request reads the version, so from the 201 on no process shows the list without the new sale. If Redis
// fails exactly between COMMIT and that change, other processes may keep their page, but no longer than
// `cacheSellerPageSeconds`. When everything may have changed, nobody changes the versions: each process drops its pages.
//
// Without Redis the whole page comes from MySQL, whose counters lag behind by what the ledger has not
// recorded yet.

import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { EVERYTHING } from "../cache/changes.ts";
import type { Levels } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import { sellerVersionKey } from "../redis/keys.ts";
import { RedisAway, readMany } from "../redis/reading.ts";
import { createLivePages, type LivePage } from "./live.ts";
import {
  type Counter,
  createPageLoader,
  loadCounters,
  renderPage,
  type SellerPage,
} from "./seller-page.ts";

export interface SellerLists {
  /** Page `number` (from 1) as JSON array text, or "" when it is empty. Throws MySQL's error. */
  page(sellerId: number, number: number): Promise<string>;
  /** Makes every process read the seller's list again. Throws when Redis does not answer. */
  changed(sellerId: number): Promise<void>;
}

interface ListDeps {
  readonly redis: Redis;
  readonly db: Database;
  readonly levels: Pick<Levels, "onChange">;
}

export function createSellerLists({ redis, db, levels }: ListDeps): SellerLists {
  const pages = new LRUCache<string, SellerPage>({
    max: limits.cacheSellerPagesMax,
    ttl: limits.cacheSellerPageSeconds * 1_000,
    ttlResolution: 0,
  });
  const builds = new Map<string, Promise<SellerPage>>();
  levels.onChange((changes) => {
    if (changes !== EVERYTHING) return;
    pages.clear();
    // What is being read began before: it is for those who have asked already, and kept nowhere.
    builds.clear();
  });
  const live = createLivePages(redis);
  const loadPage = createPageLoader(db);

  const stored = createGroupRead<{ sellerId: number; number: number }, string>({
    requestsMax: limits.storedListsPerReadMax,
    readsAtOnce: 1,
    identityOf: ({ sellerId, number }) => `${sellerId}/${number}`,
    run: (requests) =>
      Promise.all(
        requests.map(async ({ sellerId, number }) => {
          const { page, counters } = await loadPage(sellerId, number, undefined);
          return renderPage(page, counters);
        }),
      ),
  });

  /** The version that stands, or a new one where none does. Throws RedisAway. */
  async function standingVersion(sellerId: number): Promise<string> {
    const key = sellerVersionKey(sellerId);
    const drawn = randomUUID();
    const [old] = await readMany(redis, (pipeline) =>
      pipeline.set(key, drawn, "EX", limits.cacheSellerVersionSeconds, "NX", "GET"),
    );
    return (old as string | null) ?? drawn;
  }

  /**
   * Reads a page from MySQL, once for all who saw the same version: that reading starts after one of them
   * saw it, and whatever was answered before any of them asked is in MySQL before its version stands.
   */
  function build(name: string, sellerId: number, number: number, version: string) {
    const flight = `${name}@${version}`;
    const running = builds.get(flight);
    if (running) return running;
    const isCurrent = () => builds.get(flight) === started;
    const started = loadPage(sellerId, number, version)
      .then(({ page }) => {
        if (isCurrent()) pages.set(name, page);
        return page;
      })
      .finally(() => {
        if (isCurrent()) builds.delete(flight);
      });
    builds.set(flight, started);
    return started;
  }

  /** Sales that Redis does not have (not warm yet, or lost) count as the ledger has recorded them. */
  async function fillFromMysql(page: SellerPage, counters: LivePage["counters"]): Promise<string> {
    const missing = page.saleIds.filter((_, index) => !counters[index]);
    const recorded = await loadCounters(db, missing);
    const nothing: Counter = { total: 0, left: 0 };
    const all = page.saleIds.map((id, index) => counters[index] ?? recorded.get(id) ?? nothing);
    return renderPage(page, all);
  }

  const isComplete = (counters: LivePage["counters"]): counters is readonly Counter[] =>
    !counters.includes(undefined);

  function textOf(page: SellerPage, answer: LivePage): Promise<string> | string {
    const { counters } = answer;
    answer.text ??= isComplete(counters)
      ? renderPage(page, counters)
      : fillFromMysql(page, counters);
    return answer.text;
  }

  function pageInMemory(name: string, sellerId: number): SellerPage {
    const known = pages.get(name);
    if (known) return known;
    const blank: SellerPage = {
      sellerId,
      version: undefined,
      saleIds: [],
      saleKeys: [],
      heads: [],
    };
    pages.set(name, blank);
    return blank;
  }

  async function livePage(sellerId: number, number: number): Promise<string> {
    const name = `${sellerId}/${number}`;
    const held = pageInMemory(name, sellerId);
    const answer = await live.read(held);
    if (held.version !== undefined && held.version === answer.version) return textOf(held, answer);
    const version = answer.version ?? (await standingVersion(sellerId));
    const built = await build(name, sellerId, number, version);
    return textOf(built, await live.read(built));
  }

  return {
    async page(sellerId, number) {
      if (number > limits.listPageMax) return "";
      try {
        return await livePage(sellerId, number);
      } catch (error) {
        if (error instanceof RedisAway) return stored.read({ sellerId, number });
        throw error;
      }
    },

    async changed(sellerId) {
      await redis.set(
        sellerVersionKey(sellerId),
        randomUUID(),
        "EX",
        limits.cacheSellerVersionSeconds,
      );
    },
  };
}
