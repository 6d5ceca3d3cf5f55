// What never changes about a sale, and how it is read from MySQL.

import { createHash } from "node:crypto";
import { and, eq, inArray } from "drizzle-orm";
import { z } from "zod";
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
  id: sales.id,
  sellerId: sales.sellerId,
  name: sales.name,
  faceValue: templates.faceValue,
  description: templates.description,
  total: sales.total,
};

const selectFacts = (db: Database) =>
  db.select(factColumns).from(sales).innerJoin(templates, eq(templates.id, sales.templateId));

/** One seller's sale by its exact name. */
export async function loadSale(
  db: Database,
  sellerId: number,
  name: string,
): Promise<SaleFacts | undefined> {
  const [row] = await selectFacts(db).where(
    and(eq(sales.sellerId, sellerId), eq(sales.nameKey, saleNameKey(name))),
  );
  return row;
}

/** Sales by id, in no particular order, in one query. */
export const loadSales = (db: Database, ids: readonly number[]): Promise<SaleFacts[]> =>
  selectFacts(db).where(inArray(sales.id, [...ids]));

const factsSchema = z.object({
  id: z.number(),
  sellerId: z.number(),
  name: z.string(),
  faceValue: z.number(),
  description: z.string(),
  total: z.number(),
});

/** Facts as they stand in Redis. Throws when the text is something else. */
export const parseSale = (json: string): SaleFacts => factsSchema.parse(JSON.parse(json));
