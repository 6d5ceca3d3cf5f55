// What lists and names say of a sale, as MySQL has it.

import { createHash } from "node:crypto";
import { and, eq, inArray } from "drizzle-orm";
import { sellerAndName } from "../cache/changes.ts";
import type { Database } from "../db/client.ts";
import { templates } from "../templates/table.ts";
import { sales } from "./table.ts";

export interface SaleFacts {
  id: number;
  sellerId: number;
  name: string;
  /** Minor units. */
  faceValue: number;
  description: string;
  /** Units on sale when the sale was made. */
  total: number;
}

/** SHA-256 of the exact name, in hexadecimal: what makes a seller's sale unique. */
export const saleNameKey = (name: string): string =>
  createHash("sha256").update(name).digest("hex");

const factColumns = {
  templateId: sales.templateId,
  id: sales.id,
  sellerId: sales.sellerId,
  name: sales.name,
  faceValue: templates.faceValue,
  description: templates.description,
  total: sales.total,
};

const selectFacts = (db: Database) =>
  db.select(factColumns).from(sales).innerJoin(templates, eq(templates.id, sales.templateId));

/** One seller's sale by its exact name, as `nameOfSale` puts the two together. */
export async function findSaleId(db: Database, key: string): Promise<{ id: number } | undefined> {
  const { sellerId, name } = sellerAndName(key);
  const [row] = await db
    .select({ id: sales.id })
    .from(sales)
    .where(and(eq(sales.sellerId, sellerId), eq(sales.nameKey, saleNameKey(name))));
  return row;
}

/** Sales by id, in no particular order, in one query. */
export const loadSales = (
  db: Database,
  ids: readonly number[],
): Promise<(SaleFacts & { templateId: number })[]> =>
  selectFacts(db).where(inArray(sales.id, [...ids]));
