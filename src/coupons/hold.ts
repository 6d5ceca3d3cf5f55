// Coupons of one user are given to orders one after the other: whoever does it holds the user's row in
// `coupon_owners`. The row is made and committed by itself before anybody holds it. Made by the one that then holds it,
// it would be gone again where that one changes nothing, and those that wait for it would wait for each other.

import { eq, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { couponOwners } from "./table.ts";
import { transact } from "./transact.ts";

/**
 * Waits until nobody else holds the owner, and holds it until the transaction ends. False: there is no row to hold yet.
 * Throws MySQL's error.
 */
export async function holdOwner(tx: Transaction, userId: number): Promise<boolean> {
  const rows = await tx
    .select({ userId: couponOwners.userId })
    .from(couponOwners)
    .where(eq(couponOwners.userId, userId))
    .for("update");
  return rows.length === 1;
}

/** Makes the row that is held, if it is not there. Throws MySQL's error. */
export const makeOwner = (db: Database, userId: number): Promise<void> =>
  transact(db, async (tx) => {
    await tx
      .insert(couponOwners)
      .values({ userId })
      .onDuplicateKeyUpdate({ set: { userId: sql`${couponOwners.userId}` } });
    return { result: undefined, keep: true };
  });
