// A sale's grants as MySQL has them. A million rows go through here, so they are read by the driver alone, in
// pages along the primary key.

import type { RowDataPacket } from "mysql2";
import type { DatabasePool } from "../db/client.ts";
import { limits } from "../limits.ts";
import { readAhead } from "../pages.ts";
import type { Fault } from "./counters.ts";

/** One row of `grants`. */
export interface Row {
  readonly number: number;
  readonly userId: number;
  readonly slot: number | null;
  readonly keyHash: string | null;
  readonly state: string;
  /** 1 when `returned_at` is set, else 0. */
  readonly cameBack: number;
}

/** A row that holds its number for its user. */
export type HeldRow = Row & { readonly slot: number };

// By the primary key, which MySQL would not take: page after page it would read all of the sale and sort it.
const COLUMNS = `SELECT grant_no AS number, user_id AS userId, user_slot AS slot, key_hash AS keyHash,
  state, returned_at IS NOT NULL AS cameBack FROM grants FORCE INDEX (PRIMARY) WHERE sale_id = ?`;

async function query(
  { pool }: DatabasePool,
  text: string,
  values: (number | readonly number[])[],
): Promise<Row[]> {
  const [rows] = await pool.promise().query<(Row & RowDataPacket)[]>(text, values);
  return rows;
}

/** The rows with the lowest numbers above `after`, at most `count`. */
export const rowsAfter = (
  database: DatabasePool,
  saleId: number,
  after: number,
  count: number,
): Promise<Row[]> =>
  query(database, `${COLUMNS} AND grant_no > ? ORDER BY grant_no LIMIT ?`, [saleId, after, count]);

/** All rows of a sale, page by page; the next page is under way while one is looked at. */
export function rowsInMysql(database: DatabasePool, saleId: number): AsyncGenerator<Row[]> {
  const size = limits.auditRowsPerPage;
  return readAhead(
    () => rowsAfter(database, saleId, -1, size),
    (page) =>
      page.length < size ? undefined : rowsAfter(database, saleId, page.at(-1)?.number ?? 0, size),
  );
}

/** The rows with these numbers, by number. */
export async function rowsOf(
  database: DatabasePool,
  saleId: number,
  numbers: readonly number[],
): Promise<Map<number, Row>> {
  if (numbers.length === 0) return new Map();
  const rows = await query(database, `${COLUMNS} AND grant_no IN (?)`, [saleId, numbers]);
  return new Map(rows.map((row) => [row.number, row]));
}

/** What MySQL counts as returned, voids included, and how many rows say so, both of one moment. */
export async function returnedInMysql(
  { pool }: DatabasePool,
  saleId: number,
): Promise<{ counted: number; found: number }> {
  const [rows] = await pool.promise().query<({ counted: number; found: number } & RowDataPacket)[]>(
    `SELECT returned AS counted, (SELECT COUNT(*) FROM grants
      WHERE sale_id = sales.id AND state <> 'granted') AS found FROM sales WHERE id = ?`,
    [saleId],
  );
  return rows[0] ?? { counted: 0, found: 0 };
}

export const isHeld = (row: Row): row is HeldRow => row.state === "granted" && row.slot !== null;

/** What is wrong with a row by itself, or undefined. */
export function rowFault(row: Row, userLimit: number): Fault | undefined {
  const invalid = (text: string): Fault => ({ kind: "row_invalid", text });
  const { number, userId, slot, state, cameBack } = row;
  if (number === 0) return invalid("a row has the number 0");
  if (state === "granted") {
    if (cameBack || slot === null) return invalid(`number ${number} is held and has come back`);
    if (userId === 0) return invalid(`number ${number} is held by nobody`);
    if (slot < 1 || slot > userLimit) {
      const text = `user ${userId} holds number ${number} in slot ${slot}, of ${userLimit}`;
      return { kind: "over_limit", text };
    }
    return undefined;
  }
  if (state !== "returned" && state !== "void") {
    return invalid(`number ${number} is in the unknown state "${state}"`);
  }
  if (!cameBack || slot !== null) return invalid(`number ${number} is ${state} and still held`);
  if (state === "void" && userId !== 0) return invalid(`number ${number} is void and has a user`);
  return undefined;
}
