// Numbers that nobody can account for. Somebody may have been told that one of them is theirs, so they are never
// granted again: each becomes a void row, counted as returned, and is reported.

import { and, asc, count, eq, gt, gte, lte, sql } from "drizzle-orm";
import { grants } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { Recovery } from "./context.ts";

/** Fills every gap up to `granted` with a void row. */
export async function voidUnknown(
  recovery: Recovery,
  saleId: number,
  granted: number,
): Promise<void> {
  const { db } = recovery.connection;
  const ofSale = and(eq(grants.saleId, saleId), lte(grants.grantNo, granted));
  const [found] = await db.select({ rows: count() }).from(grants).where(ofSale);
  if (found?.rows === granted) return;
  let expected = 1;
  while (expected <= granted) {
    const rows = await db
      .select({ grantNo: grants.grantNo })
      // MySQL would read all that is left of the sale, and sort it, for each chunk.
      .from(grants, { forceIndex: "PRIMARY" })
      .where(and(ofSale, gte(grants.grantNo, expected)))
      .orderBy(asc(grants.grantNo))
      .limit(limits.recoveryChunkRows);
    const until =
      rows.length < limits.recoveryChunkRows ? granted : (rows.at(-1)?.grantNo ?? granted);
    const present = new Set(rows.map((row) => row.grantNo));
    // Chunk by chunk: whoever lost a ledger of a million must not hold a million numbers in memory.
    for (let at = expected; at <= until; at += limits.batchGrantsMax) {
      const gaps: number[] = [];
      for (let number = at; number <= Math.min(until, at + limits.batchGrantsMax - 1); number += 1)
        if (!present.has(number)) gaps.push(number);
      if (gaps.length > 0) await insertVoids(recovery, saleId, gaps);
    }
    expected = until + 1;
    await recovery.renew();
  }
}

/**
 * How many numbers of the shard have become void since that epoch, by this leader and by those before it that did
 * not come to their end.
 */
export async function voidsSince(
  { connection, shard }: Recovery,
  completed: number,
): Promise<number> {
  const [found] = await connection.db
    .select({ rows: count() })
    .from(grants)
    .where(
      and(
        // The index on the user: void rows are nobody's.
        eq(grants.userId, 0),
        gt(grants.epoch, completed),
        sql`${grants.saleId} % ${limits.shards} = ${shard}`,
      ),
    );
  return found?.rows ?? 0;
}

async function insertVoids(recovery: Recovery, saleId: number, numbers: number[]): Promise<void> {
  const now = new Date();
  const { epoch, context } = recovery;
  await recovery.write((tx) =>
    tx.insert(grants).values(
      numbers.map((grantNo) => ({
        ...{ saleId, grantNo, userId: 0, userSlot: null, epoch },
        ...{ grantedAt: now, returnedAt: now, state: "void" },
      })),
    ),
  );
  context.log.error(
    { saleId, first: numbers[0], last: numbers.at(-1), count: numbers.length },
    "numbers are void",
  );
}
