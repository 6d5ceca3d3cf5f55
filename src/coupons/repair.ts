// Makes the coupons that grants of a sale lack: those that were recorded before there were coupons, and those whose
// coupon became a dead letter. They are made as the ledger makes them, with the sale's own secret and by the time of
// the grant, and under the lock on the shard's row, so that no worker writes the shard meanwhile.

import { and, asc, eq, gt, inArray, isNull, like, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { type CouponSale, insertCoupons, withDates } from "../ledger/coupons.ts";
import type { LedgerGrant } from "../ledger/entry.ts";
import { type Batch, COUPON_REASON } from "../ledger/letters.ts";
import { deadLetters, grants, shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { CouponCodes } from "./code.ts";
import { coupons } from "./table.ts";

/** What a dead letter is under whose coupon MySQL did not take from the repair. */
const ENTRY_ID = "repair";

/** What became of the coupons of one sale. */
export interface Repaired {
  readonly made: number;
  /** Refused by MySQL again, or without the secret of their sale; `dead_letters` says why. */
  readonly refused: number;
  /** Dead letters of coupons that there are now, taken away. */
  readonly settled: number;
}

export interface RepairDeps {
  readonly db: Database;
  readonly codes: CouponCodes;
}

/**
 * Makes what is missing, in batches of `couponRepairNumbersPerBatch` numbers; grants that are void or given back get
 * none. Run twice, the second run finds nothing to do. Throws MySQL's error; what was made until then stays.
 */
export async function repairCoupons(
  deps: RepairDeps,
  sale: CouponSale & { readonly id: number },
): Promise<Repaired> {
  const { db } = deps;
  const last = await lastNumber(db, sale.id);
  let [made, refused] = [0, 0];
  const size = limits.couponRepairNumbersPerBatch;
  for (let after = 0; after < last; after += size) {
    // Most batches lack nothing: the shard's row is locked for those that do only.
    if ((await missingAfter(db, sale.id, after)).length === 0) continue;
    const done = await repairBatch(deps, sale, after);
    made += done.made;
    refused += done.refused;
  }
  return { made, refused, settled: await settleLetters(db, sale.id) };
}

async function lastNumber(db: Database, saleId: number): Promise<number> {
  const [row] = await db
    .select({ number: sql<number | null>`MAX(${grants.grantNo})`.mapWith(Number) })
    .from(grants)
    .where(eq(grants.saleId, saleId));
  return row?.number ?? 0;
}

/** The grants without a coupon among the next numbers. */
function missingAfter(
  db: Database | Transaction,
  saleId: number,
  after: number,
): Promise<LedgerGrant[]> {
  return db
    .select({
      saleId: grants.saleId,
      grantNo: grants.grantNo,
      userId: grants.userId,
      // Only what is given back has no slot.
      userSlot: sql<number>`${grants.userSlot}`,
      keyHash: grants.keyHash,
      epoch: grants.epoch,
      grantedAt: grants.grantedAt,
    })
    .from(grants)
    .leftJoin(coupons, and(eq(coupons.saleId, grants.saleId), eq(coupons.grantNo, grants.grantNo)))
    .where(
      and(
        ...[eq(grants.saleId, saleId), gt(grants.grantNo, after)],
        sql`${grants.grantNo} <= ${after + limits.couponRepairNumbersPerBatch}`,
        ...[eq(grants.state, "granted"), isNull(grants.returnedAt), isNull(coupons.grantNo)],
      ),
    )
    .orderBy(asc(grants.grantNo));
}

function repairBatch(
  { db, codes }: RepairDeps,
  { id, ...sale }: CouponSale & { readonly id: number },
  after: number,
): Promise<{ made: number; refused: number }> {
  const shard = shardOf(id);
  return db.transaction(async (tx) => {
    await tx
      .select({ shard: shards.shard })
      .from(shards)
      .where(eq(shards.shard, shard))
      .for("update");
    const missing = await missingAfter(tx, id, after);
    const batch: Batch = { shard, codes, dead: 0 };
    const dated = await withDates(tx, sale);
    await insertCoupons(
      tx,
      batch,
      missing.map((row) => ({ row, sale: dated, entryId: ENTRY_ID })),
    );
    return { made: missing.length - batch.dead, refused: batch.dead };
  });
}

/** Takes away the letters of coupons that their grants' users have now. Returns how many. */
async function settleLetters(db: Database, saleId: number): Promise<number> {
  let settled = 0;
  for (;;) {
    const letters = await db
      .select({ id: deadLetters.id })
      .from(deadLetters)
      .innerJoin(
        coupons,
        and(eq(coupons.saleId, deadLetters.saleId), eq(coupons.grantNo, deadLetters.grantNo)),
      )
      .innerJoin(
        grants,
        and(
          ...[eq(grants.saleId, coupons.saleId), eq(grants.grantNo, coupons.grantNo)],
          eq(grants.userId, coupons.userId),
        ),
      )
      .where(
        and(
          ...[eq(deadLetters.shard, shardOf(saleId)), eq(deadLetters.saleId, saleId)],
          like(deadLetters.reason, `${COUPON_REASON}%`),
        ),
      )
      .limit(limits.couponRepairNumbersPerBatch);
    if (letters.length === 0) return settled;
    const ids = letters.map(({ id }) => id);
    await db.delete(deadLetters).where(inArray(deadLetters.id, ids));
    settled += ids.length;
  }
}
