// What was read in the binlog and is not settled yet.
//
// The server gives a transaction to readers of its binlog before other sessions can see what it changed. Whoever
// loads right after such an early message gets the old row, and keeps it. So everything is announced twice: at once,
// and again when a locking read of the row has come through, which waits for that transaction's end.

import { inArray, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { sales } from "../sales/table.ts";
import { templates } from "../templates/table.ts";
import { users } from "../users/table.ts";
import { type Change, type Changes, EVERYTHING } from "./changes.ts";
import { changesOf, type RowChange } from "./rows.ts";

const tables = { templates, sales, users };
type TableName = keyof typeof tables;

/** Changes and the rows they come from; more than `captureRowsMax` count as everything. */
export class Pending {
  #changes = new Map<string, Change>();
  #rows = new Map<string, { table: TableName; id: number }>();
  #everything = false;

  get isEmpty(): boolean {
    return this.#changes.size === 0 && !this.#everything;
  }

  get changes(): Changes {
    return this.#everything ? EVERYTHING : [...this.#changes.values()];
  }

  /** True when it concerns anything. */
  addRow(row: RowChange): boolean {
    const changes = changesOf(row);
    if (changes.length === 0) return false;
    const table = row.table as TableName;
    const id = Number((row.after ?? row.before)?.id);
    this.#add(changes, [{ table, id }]);
    return true;
  }

  addEverything(): void {
    this.#everything = true;
    this.#changes.clear();
  }

  addAll(other: Pending): void {
    this.#add([...other.#changes.values()], [...other.#rows.values()]);
    if (other.#everything) this.addEverything();
  }

  #add(changes: readonly Change[], rows: readonly { table: TableName; id: number }[]): void {
    for (const row of rows) {
      const name = `${row.table} ${row.id}`;
      // The latest come last. Transactions end in the order in which they stand in the binlog, so of too many rows
      // the latest say enough.
      this.#rows.delete(name);
      this.#rows.set(name, row);
      if (this.#rows.size > limits.captureRowsMax) {
        for (const oldest of this.#rows.keys()) {
          this.#rows.delete(oldest);
          break;
        }
      }
    }
    if (this.#everything) return;
    for (const change of changes) this.#changes.set(`${change.kind} ${change.key}`, change);
    if (this.#changes.size > limits.captureRowsMax) this.addEverything();
  }

  /** Waits until every transaction it comes from can be seen. Throws MySQL's error, 1205 when one takes too long. */
  async settle(db: Database): Promise<void> {
    // Nobody knows the rows of what was before the reading began.
    if (this.#everything && this.#rows.size === 0) {
      await new Promise((resolve) => setTimeout(resolve, limits.captureSettleSeconds * 1_000));
    }
    for (const [name, table] of Object.entries(tables)) {
      const ids = [...this.#rows.values()].flatMap((row) => (row.table === name ? [row.id] : []));
      for (let at = 0; at < ids.length; at += limits.captureSettleRows) {
        // Not FOR SHARE, which MariaDB does not have.
        await db.execute(
          sql`SELECT ${table.id} FROM ${table}
            WHERE ${inArray(table.id, ids.slice(at, at + limits.captureSettleRows))} LOCK IN SHARE MODE`,
        );
      }
    }
  }
}
