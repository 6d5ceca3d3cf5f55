// Numbers that nobody can account for. Somebody may have been told that one of them is theirs, so they are never
// granted again: each becomes a void row, counted as returned, and is reported.

import { and, asc, count, eq, gte, lte } from "drizzle-orm";
import { limits } from "../limits.ts";
import type { Recovery } from "./recovery.ts";
import { grants } from "./table.ts";

/** Fills every gap up to `granted` with a void row. Returns how many there were. */
export async function voidUnknown(
  recovery: Recovery,
  saleId: number,
  granted: number,
): Promise<number> {
  const { db } = recovery.connection;
  const ofSale = and(eq(grants.saleId, saleId), lte(grants.grantNo, granted));
  const [found] = await db.select({ rows: count() }).from(grants).where(ofSale);
  if (found?.rows === granted) return 0;
  let expected = 1;
  let voids = 0;
  while (expected <= granted) {
    const rows = await db
      .select({ grantNo: grants.grantNo })
      .from(grants)
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
      voids += gaps.length;
    }
    expected = until + 1;
    await recovery.renew();
  }
  return voids;
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
