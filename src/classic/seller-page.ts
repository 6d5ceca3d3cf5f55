// One page of a seller's list as JSON text. What does not move is made into text once, when the page is read
// from MySQL; what moves (`amount`, `left`) is put between at each reading.

import { desc, eq, inArray, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { saleKeys } from "../redis/keys.ts";
import { sales } from "../sales/table.ts";
import { templates } from "../templates/table.ts";

/** How many units a sale has, and how many of them nobody has. */
export interface Counter {
  readonly total: number;
  readonly left: number;
}

export interface SellerPage {
  readonly sellerId: number;
  /** The seller's version that stood before the page was read; undefined: not read from MySQL yet. */
  readonly version: string | undefined;
  readonly saleIds: readonly number[];
  /** Where Redis has each sale. */
  readonly saleKeys: readonly string[];
  /** Each line up to and including `"amount":`. */
  readonly heads: readonly string[];
}

/** Returned units can be granted again; the result is never below 0. */
export const counterOf = (total: number, granted: number, returned: number): Counter => ({
  total,
  left: Math.max(0, total - (granted - returned)),
});

/** The page as a JSON array, or "" when there is nothing on it. `counters` follow `page.saleIds`. */
export function renderPage(page: SellerPage, counters: readonly Counter[]): string {
  if (page.heads.length === 0) return "";
  let text = "[";
  for (let index = 0; index < page.heads.length; index += 1) {
    const { total, left } = counters[index] as Counter;
    text += `${index === 0 ? "" : ","}${page.heads[index]}${total},"left":${left}}`;
  }
  return `${text}]`;
}

/** A line up to and including `"amount":`. */
export const headOf = (name: string, faceValue: number, description: string): string =>
  `{"name":${JSON.stringify(name)},"stock":${faceValue},"description":${JSON.stringify(description)},"amount":`;

/**
 * Reads one page, newest first, `number` from 1, in one query; the ids are found in the index alone, so
 * that a late page does not read the rows before it. `counters` are what the ledger has recorded so far.
 */
export type LoadPage = (
  sellerId: number,
  number: number,
  version: string | undefined,
) => Promise<{ page: SellerPage; counters: Counter[] }>;

// Prepared once, because Drizzle takes several times as long to put this query together as to run it.
function preparePageQuery(db: Database) {
  const ids = db
    .select({ id: sales.id })
    .from(sales)
    .where(eq(sales.sellerId, sql.placeholder("sellerId")))
    .orderBy(desc(sales.id))
    .limit(limits.listPageSize)
    .offset(sql.placeholder("offset"))
    .as("ids");
  return db
    .select({
      id: sales.id,
      name: sales.name,
      faceValue: templates.faceValue,
      description: templates.description,
      total: sales.total,
      granted: sales.granted,
      returned: sales.returned,
    })
    .from(ids)
    .innerJoin(sales, eq(sales.id, ids.id))
    .innerJoin(templates, eq(templates.id, sales.templateId))
    .orderBy(desc(sales.id))
    .prepare();
}

/** How pages are read from this database. */
export function createPageLoader(db: Database): LoadPage {
  const query = preparePageQuery(db);
  return async (sellerId, number, version) => {
    const rows = await query.execute({ sellerId, offset: (number - 1) * limits.listPageSize });
    return {
      page: {
        sellerId,
        version,
        saleIds: rows.map((row) => row.id),
        saleKeys: rows.map((row) => saleKeys(row.id).sale),
        heads: rows.map((row) => headOf(row.name, row.faceValue, row.description)),
      },
      counters: rows.map((row) => counterOf(row.total, row.granted, row.returned)),
    };
  };
}

/** What the ledger has recorded of some sales, by id, in one query. */
export async function loadCounters(
  db: Database,
  saleIds: readonly number[],
): Promise<Map<number, Counter>> {
  const rows = await db
    .select({
      id: sales.id,
      total: sales.total,
      granted: sales.granted,
      returned: sales.returned,
    })
    .from(sales)
    .where(inArray(sales.id, [...saleIds]));
  return new Map(rows.map((row) => [row.id, counterOf(row.total, row.granted, row.returned)]));
}
