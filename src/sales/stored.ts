// A sale as MySQL has it, together with the change of it that is half-made, if there is one.
//
// While a change is under way, Redis has the sale either as it was before or as it is afterwards; MySQL's row has the
// values from before, but for what a change opens up (a greater total, an end of a pause) and for a new name, which
// are there first.

import { and, asc, eq, getTableColumns, gt, isNotNull, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { limits } from "../limits.ts";
import { saleNameKey } from "./facts.ts";
import { outbox, type SaleChange, sales } from "./table.ts";

export type SaleRow = typeof sales.$inferSelect;
export type PendingChange = typeof outbox.$inferSelect;

export interface StoredSale extends SaleRow {
  readonly pending: PendingChange | null;
}

/** For a query that joins the outbox from the left: one statement, so that the two belong to one moment. */
export const storedColumns = { ...getTableColumns(sales), pending: outbox };

const instantOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

/** The columns that a change sets; without the version. */
export function columnsOf({ opensAt, closesAt, ...rest }: SaleChange) {
  return {
    ...rest,
    ...(rest.name === undefined ? {} : { nameKey: saleNameKey(rest.name) }),
    ...(opensAt === undefined ? {} : { opensAt: instantOf(opensAt) }),
    ...(closesAt === undefined ? {} : { closesAt: instantOf(closesAt) }),
  };
}

const REDIS_NAMES: Readonly<Record<Exclude<keyof SaleChange, "name" | "templateId">, string>> = {
  ...{ total: "total", userLimit: "limit", state: "state" },
  ...{ opensAt: "opens", closesAt: "closes", grabsPerSecond: "rate" },
};

/** A change as change.lua takes it: names and values, "" for what is taken away. */
export const redisFieldsOf = (change: SaleChange): (string | number)[] =>
  (Object.keys(REDIS_NAMES) as (keyof typeof REDIS_NAMES)[]).flatMap((name) =>
    change[name] === undefined ? [] : [REDIS_NAMES[name], change[name] ?? ""],
  );

/** The fields of `change` as they are in a sale. */
export function fieldsBefore(sale: SaleRow, change: SaleChange): SaleChange {
  const all: Required<SaleChange> = {
    ...{ name: sale.name, templateId: sale.templateId },
    ...{ total: sale.total, userLimit: sale.userLimit, grabsPerSecond: sale.grabsPerSecond },
    state: sale.state as "open" | "paused",
    ...{ opensAt: sale.opensAt?.getTime() ?? null, closesAt: sale.closesAt?.getTime() ?? null },
  };
  const names = Object.keys(change) as (keyof SaleChange)[];
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

/** The sale without its half-made change. */
export const beforePending = (sale: StoredSale): SaleRow =>
  sale.pending ? { ...sale, ...columnsOf(sale.pending.before) } : sale;

/** The columns that a sale has once it has the change. */
export const madeBy = ({ change, version, changeId }: PendingChange) => ({
  ...{ ...columnsOf(change), version, changeId },
});

/** What Redis may have of a sale: as it was, and as it is once the half-made change was refused or made there. */
export const imagesOf = (sale: StoredSale): SaleRow[] =>
  sale.pending
    ? [
        beforePending(sale),
        { ...beforePending(sale), version: sale.pending.version },
        { ...sale, ...madeBy(sale.pending) },
      ]
    : [sale];

/** The fields of a sale's hash in Redis, with `recorded` level with `granted`. */
export function saleFields(sale: SaleRow): (string | number)[] {
  const fields: (string | number)[] = [
    ...["state", sale.state, "total", sale.total, "granted", sale.granted],
    ...["returned", sale.returned, "recorded", sale.granted, "limit", sale.userLimit],
  ];
  if (sale.opensAt) fields.push("opens", sale.opensAt.getTime());
  if (sale.closesAt) fields.push("closes", sale.closesAt.getTime());
  if (sale.grabsPerSecond !== null) fields.push("rate", sale.grabsPerSecond);
  // A sale that was never changed has neither.
  if (sale.version > 0) fields.push("version", sale.version);
  if (sale.changeId !== null) fields.push("change", sale.changeId);
  return fields;
}

/** One sale as it stands; undefined when there is none. Throws MySQL's error, as all here. */
export async function storedSale(
  db: Database | Transaction,
  id: number,
): Promise<StoredSale | undefined> {
  const [row] = await db
    .select(storedColumns)
    .from(sales)
    .leftJoin(outbox, eq(outbox.saleId, sales.id))
    .where(eq(sales.id, id));
  return row;
}

/** A shard's warmed sales with ids above `after`, in their order, at most `count`. */
export const warmSalesPage = (
  db: Database,
  shard: number,
  after: number,
  count: number,
): Promise<StoredSale[]> =>
  db
    .select(storedColumns)
    .from(sales)
    .leftJoin(outbox, eq(outbox.saleId, sales.id))
    .where(
      and(
        sql`${sales.id} % ${limits.shards} = ${shard}`,
        isNotNull(sales.warmedAt),
        gt(sales.id, after),
      ),
    )
    .orderBy(asc(sales.id))
    .limit(count);
