// Whether a template has room for more units of its sales: their totals together stay within its total count.

import { eq, sql } from "drizzle-orm";
import { union } from "drizzle-orm/mysql-core";
import type { Transaction } from "../../db/client.ts";
import type { TemplateFacts } from "../../templates/facts.ts";
import { outbox, sales } from "../table.ts";
import type { Refusal } from "./outcome.ts";

const comingTo = sql`CAST(JSON_UNQUOTE(JSON_EXTRACT(${outbox.change}, '$.templateId')) AS UNSIGNED)`;

/**
 * Why a template has no room for `more` units, or undefined. The caller holds its row, and does so before it changes a
 * total or moves a sale to it. A sale that is on its way to the template counts as there already, and a total that is
 * being changed as the greater of the two, as the row has it.
 */
export async function roomFor(
  tx: Transaction,
  template: TemplateFacts | undefined,
  more: number,
): Promise<Refusal | undefined> {
  if (template?.state !== "published") return { kind: "not_published" };
  if (template.totalCount === null) return undefined;
  const units = { id: sales.id, total: sales.total };
  const there = tx.select(units).from(sales).where(eq(sales.templateId, template.id));
  const coming = tx
    .select(units)
    .from(outbox)
    .innerJoin(sales, eq(sales.id, outbox.saleId))
    .where(eq(comingTo, template.id));
  // In one statement: between two, a sale could arrive and be counted by neither.
  const all = await union(there, coming);
  const left = template.totalCount - all.reduce((sum, { total }) => sum + total, 0);
  return more <= left ? undefined : { kind: "count_exceeded", left: Math.max(0, left) };
}
