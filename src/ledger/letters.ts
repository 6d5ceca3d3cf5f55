// Dead letters: what MySQL refuses for good. Only the data of a row can make it undeliverable. Then the statement
// that it is in is split in halves until the one row at fault is alone; it goes to `dead_letters`, and the rest is
// written.

import { and, eq, notLike, sql } from "drizzle-orm";
import type { CouponCodes } from "../coupons/code.ts";
import type { Database, Transaction } from "../db/client.ts";
import { isDataError, isDuplicate, reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { deadLetters, recoveries } from "./table.ts";

/** What the reason of a dead letter begins with when the grant stands and its coupon was refused. */
export const COUPON_REASON = "its coupon: ";

/** One transaction's share of a shard. */
export interface Batch {
  readonly shard: number;
  readonly codes: CouponCodes;
  /** Dead letters so far. */
  dead: number;
}

interface DeadLetter {
  entryId: string;
  saleId: number;
  grantNo: number;
  reason: string;
  payload: string;
}

/** Writes a dead letter, once per place. */
export async function bury(tx: Transaction, batch: Batch, letter: DeadLetter): Promise<void> {
  batch.dead += 1;
  await tx
    .insert(deadLetters)
    .values({
      shard: batch.shard,
      ...letter,
      reason: letter.reason.slice(0, 255),
      payload: letter.payload.slice(0, limits.deadLetterUnitsMax),
    })
    .onDuplicateKeyUpdate({ set: { shard: batch.shard } });
}

/**
 * The sales of a shard of which a grant was refused since a recovery last came to its end: their winners may be others
 * in Redis than in MySQL, though both count the same. Where only a coupon was refused the grant's row stands.
 */
export async function refusedSales(db: Database, shard: number): Promise<Set<number>> {
  const lastRecovery = db
    .select({ at: sql`COALESCE(MAX(${recoveries.createdAt}), '1970-01-01')` })
    .from(recoveries)
    .where(eq(recoveries.shard, shard));
  const rows = await db
    .selectDistinct({ saleId: deadLetters.saleId })
    .from(deadLetters)
    .where(
      and(
        eq(deadLetters.shard, shard),
        sql`${deadLetters.createdAt} >= (${lastRecovery})`,
        notLike(deadLetters.reason, `${COUPON_REASON}%`),
      ),
    );
  return new Set(rows.map(({ saleId }) => saleId));
}

/** How rows go into one table. */
interface Into<Row> {
  /** All of them in one statement. */
  insert(rows: readonly Row[]): Promise<unknown>;
  /** Leaves out those that MySQL already has, exactly as they are here: a replay, not a conflict. */
  withoutWritten(rows: readonly Row[]): Promise<Row[]>;
  /** Keeps a row that MySQL refuses, with the reason. */
  bury(row: Row, reason: string): Promise<void>;
}

/** Inserts all rows but those that are written or refused. Returns those that it has inserted. */
export async function insertOrBury<Row>(into: Into<Row>, rows: readonly Row[]): Promise<Row[]> {
  if (rows.length === 0) return [];
  try {
    await into.insert(rows);
    return [...rows];
  } catch (error) {
    if (!isDataError(error)) throw error;
    const left = isDuplicate(error) ? await into.withoutWritten(rows) : rows;
    const [only] = left;
    if (left.length < rows.length) return insertOrBury(into, left);
    if (left.length === 1 && only !== undefined) {
      await into.bury(only, reasonOf(error));
      return [];
    }
    const middle = left.length >> 1;
    return [
      ...(await insertOrBury(into, left.slice(0, middle))),
      ...(await insertOrBury(into, left.slice(middle))),
    ];
  }
}
