// What a sale is, as far as it changes rarely: for the grab's hot path and for whoever shows a sale. What moves is in
// Redis (numbers.ts).

import { eq } from "drizzle-orm";
import { z } from "zod";
import type { Levels } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { SaleRow } from "./stored.ts";
import { sales } from "./table.ts";

const recordSchema = z.object({
  id: z.number(),
  sellerId: z.number(),
  templateId: z.number(),
  name: z.string(),
  userLimit: z.number(),
  codeKey: z.string(),
  grabsPerSecond: z.number().nullable(),
  /** Milliseconds since the epoch. */
  opensAt: z.number().nullable(),
  closesAt: z.number().nullable(),
  createdAt: z.number(),
});

export type SaleRecord = z.infer<typeof recordSchema>;

const columns = {
  ...{ id: sales.id, sellerId: sales.sellerId, templateId: sales.templateId },
  ...{ name: sales.name, userLimit: sales.userLimit, codeKey: sales.codeKey },
  ...{ grabsPerSecond: sales.grabsPerSecond, opensAt: sales.opensAt },
  ...{ closesAt: sales.closesAt, createdAt: sales.createdAt },
};

/** What a row says. */
export const recordOf = (row: Pick<SaleRow, keyof typeof columns>): SaleRecord => ({
  ...{ id: row.id, sellerId: row.sellerId, templateId: row.templateId, name: row.name },
  ...{ userLimit: row.userLimit, codeKey: row.codeKey, grabsPerSecond: row.grabsPerSecond },
  opensAt: row.opensAt?.getTime() ?? null,
  closesAt: row.closesAt?.getTime() ?? null,
  createdAt: row.createdAt.getTime(),
});

/** Reads one from MySQL; undefined when there is no such sale. */
async function loadRecord(db: Database, id: number): Promise<SaleRecord | undefined> {
  const [row] = await db.select(columns).from(sales).where(eq(sales.id, id));
  return row && recordOf(row);
}

/** Sales by id, in memory, Redis and MySQL. */
export const createSaleRecords = (levels: Levels, db: Database) =>
  levels.lookup<number, SaleRecord>({
    kind: "sale",
    entriesMax: limits.cacheSalesMax,
    load: (id) => loadRecord(db, id),
    parse: (json) => recordSchema.parse(JSON.parse(json)),
  });

export type SaleRecords = ReturnType<typeof createSaleRecords>;

/**
 * The rate of grabs that a sale has of its own, from memory; the service's own rate holds meanwhile for one that is
 * being loaded.
 */
export function rateIn(records: Pick<SaleRecords, "peek" | "get">, saleId: number) {
  const record = records.peek(saleId);
  if (record === undefined) records.get(saleId).catch(() => undefined);
  return record?.grabsPerSecond ?? undefined;
}
