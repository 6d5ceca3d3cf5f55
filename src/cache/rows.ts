// Which cached things a changed row concerns. Columns that are counted up all the time are no facts: a row in which
// nothing else has changed concerns nobody.

import { foldName } from "../users/name.ts";
import { type Change, nameOfSale } from "./changes.ts";

export type Row = Readonly<Record<string, unknown>>;

/** A row before and after; without `before` it was made, without `after` deleted. */
export interface RowChange {
  readonly table: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

interface Table {
  /** Columns that do not count. */
  readonly moving: ReadonlySet<string>;
  readonly concerns: (row: Row) => Change[];
  /** What a new row concerns; nobody has it in a cache, but it may belong into a list. */
  readonly concernsNew: (row: Row) => Change[];
}

const listOf = (row: Row): Change => ({ kind: "seller-list", key: Number(row.seller_id) });

const TABLES: Readonly<Record<string, Table>> = {
  templates: {
    moving: new Set(["budget_reserved", "budget_spent"]),
    concerns: (row) => [{ kind: "template", key: Number(row.id) }, listOf(row)],
    concernsNew: () => [],
  },
  sales: {
    moving: new Set(["granted", "returned", "warmed_at"]),
    concerns: (row) => [
      { kind: "sale", key: Number(row.id) },
      { kind: "sale-name", key: nameOfSale(Number(row.seller_id), String(row.name)) },
      listOf(row),
    ],
    concernsNew: (row) => [listOf(row)],
  },
  users: {
    moving: new Set(["password_hash"]),
    concerns: (row) => [{ kind: "user-name", key: foldName(String(row.username)) }],
    concernsNew: () => [],
  },
};

/** The tables whose rows matter. */
export const CAPTURED: readonly string[] = Object.keys(TABLES);

/** What a row's change concerns, each thing once. */
export function changesOf({ table, before, after }: RowChange): Change[] {
  const captured = TABLES[table];
  if (!captured) return [];
  if (before && after) {
    const { moving } = captured;
    const moved = Object.keys(after).some(
      (column) => !moving.has(column) && before[column] !== after[column],
    );
    if (!moved) return [];
    const all = [...captured.concerns(before), ...captured.concerns(after)];
    return [...new Map(all.map((change) => [`${change.kind} ${change.key}`, change])).values()];
  }
  if (after) return captured.concernsNew(after);
  return before ? captured.concerns(before) : [];
}
