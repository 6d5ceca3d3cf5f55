// A customer's own list: the union of what Redis knows and MySQL does not have yet with what MySQL has, so
// that a grant is listed right after its 201 on every process. Requests share readings (redis/group.ts): for
// all of a group two round trips to Redis, then one query, then one more for sales not in memory.

import type { Levels } from "../cache/levels.ts";
import { createReadings } from "../cache/readings.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import { loadSales, type SaleFacts } from "../sales/facts.ts";
import { mergePage, storedWindow } from "../wallet/grants.ts";
import { readRecentOrNone } from "../wallet/recent.ts";
import { readStored } from "./own-stored.ts";

export interface Wallet {
  /**
   * The user's grants that are not returned, newest sale first, `page` from 1: JSON array text of
   * `{"name","stock","description"}`, or "" when the page is empty. Throws MySQL's error; without Redis
   * shows what MySQL has.
   */
  page(userId: string, page: number): Promise<string>;
}

interface WalletDeps {
  redis: Redis;
  db: Database;
  levels: Pick<Levels, "onChange" | "believes" | "now">;
}

interface WalletRequest {
  readonly userId: string;
  readonly page: number;
}

/** A line of the list. */
interface Line {
  readonly text: string;
  readonly templateId: number;
}

const lineOf = ({ name, faceValue, description }: SaleFacts): string =>
  JSON.stringify({ name, stock: faceValue, description });

/** The lines of sales: from memory, or MySQL. What changes in a sale or its template takes the line away. */
function createLines(db: Database, levels: WalletDeps["levels"]) {
  const lines = createReadings<Line>(levels, {
    ...{ of: "sale", max: limits.cacheSalesMax },
    concerns: { kind: "template", keyOf: ({ templateId }) => templateId },
  });

  /** The line of each sale; a sale that MySQL does not have (a restored backup) has none. */
  return async (saleIds: ReadonlySet<number>): Promise<Map<number, string>> => {
    const found = new Map<number, string>();
    const missing: number[] = [];
    for (const id of saleIds) {
      const line = lines.peek(id);
      if (line === undefined) missing.push(id);
      else found.set(id, line.text);
    }
    if (missing.length === 0) return found;
    const keep = lines.begin();
    for (const sale of await loadSales(db, missing)) {
      const text = lineOf(sale);
      keep(sale.id, { text, templateId: sale.templateId });
      found.set(sale.id, text);
    }
    return found;
  };
}

export function createWallet({ redis, db, levels }: WalletDeps): Wallet {
  const linesOf = createLines(db, levels);

  async function readPages(requests: readonly WalletRequest[]): Promise<string[]> {
    const recents = await readRecentOrNone(
      redis,
      requests.map(({ userId }) => userId),
    );
    const windows = requests.map(({ userId, page }, index) => {
      const without = recents[index] ?? [];
      return { userId, without, ...storedWindow(page, without.length) };
    });
    const stored = await readStored(db, windows);
    const pages = requests.map(({ page }, index) =>
      mergePage(page, recents[index] ?? [], stored[index] ?? []),
    );
    const text = await linesOf(new Set(pages.flat().map(({ saleId }) => saleId)));
    return pages.map((grants) => {
      const listed = grants.flatMap(({ saleId }) => text.get(saleId) ?? []);
      return listed.length === 0 ? "" : `[${listed.join(",")}]`;
    });
  }

  const pageOf = createGroupRead<WalletRequest, string>({
    requestsMax: limits.walletUsersPerReadMax,
    readsAtOnce: limits.walletReadsAtOnce,
    identityOf: (request) => request,
    run: readPages,
  });

  return {
    async page(userId, page) {
      if (page > limits.listPageMax) return "";
      return pageOf.read({ userId, page });
    },
  };
}
