// What the database server must write into its binlog so that changes can be read there, and which server it is:
// a position means something on the server that gave it only.

import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";

/** A place in one server's binlog, always between two transactions. */
export interface Position {
  readonly server: string;
  readonly filename: string;
  readonly position: number;
  /** When it was kept, milliseconds since the epoch. */
  readonly at: number;
}

export type Binlog = { readonly server: string } | { readonly unreadable: string };

const IDENTITY = ["server_uuid", "server_id", "hostname", "port", "datadir"];

/** Looks at the server's settings. Throws MySQL's error. */
export async function lookAtBinlog(db: Database): Promise<Binlog> {
  const [rows] = await db.execute(
    sql`SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'log_bin' OR Variable_name LIKE 'binlog%'
      OR Variable_name IN (${sql.join(
        IDENTITY.map((name) => sql`${name}`),
        sql`, `,
      )})`,
  );
  const all = new Map(
    (rows as unknown as { Variable_name: string; Value: string }[]).map((row) => [
      row.Variable_name,
      row.Value,
    ]),
  );
  const is = (name: string, wanted: string) => {
    const value = all.get(name);
    return value === undefined || value.toUpperCase() === wanted;
  };
  const faults = [
    is("log_bin", "ON") ? "" : "it has none (log_bin)",
    is("binlog_format", "ROW") ? "" : "binlog_format is not ROW",
    is("binlog_row_image", "FULL") ? "" : "binlog_row_image is not FULL",
    is("binlog_transaction_compression", "OFF") ? "" : "binlog_transaction_compression is on",
    is("binlog_row_value_options", "") ? "" : "binlog_row_value_options is set",
  ].filter((fault) => fault !== "");
  if (faults.length > 0) return { unreadable: faults.join(", ") };
  return { server: IDENTITY.map((name) => all.get(name) ?? "").join(" ") };
}

/**
 * The position that a text from Redis names; undefined when it is none, or another server's, or so old that nothing
 * which Redis holds from before it is fresh any more: it is then quicker to begin anew.
 */
export function readPosition(text: string | null, server: string): Position | undefined {
  if (text === null) return undefined;
  try {
    const found = JSON.parse(text) as Position;
    const isOld = Date.now() - found.at > limits.cacheSharedSeconds * 1_000;
    return found.server === server && found.filename !== "" && !isOld ? found : undefined;
  } catch {
    return undefined;
  }
}
