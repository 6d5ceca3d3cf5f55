// Do the secrets that are configured suffice for the sales there are? A sale names the secret that makes its codes,
// and with another one a repeated grab would get another code than the coupon has.

import { and, count, eq, gt, inArray, isNull, min, or, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { sales } from "../sales/table.ts";
import type { CouponCodes } from "./code.ts";

/** A sale that has ended lately may have grants that are not coupons yet. */
const mayGrant = or(
  isNull(sales.closesAt),
  gt(sales.closesAt, sql`UTC_TIMESTAMP(3) - INTERVAL ${limits.codeSecretKeptDays} DAY`),
);

/**
 * One sentence for each secret that sales need and `codes` lacks. Sales that name none are given the oldest one
 * first, so that it is missed when it is taken away. Throws MySQL's errors.
 */
export async function lackingSecrets(db: Database, codes: CouponCodes): Promise<string[]> {
  await nameOldest(db, codes);
  const needed = await db
    .select({ keyId: sales.codeKey, sales: count(), first: min(sales.id) })
    .from(sales)
    .where(mayGrant)
    .groupBy(sales.codeKey);
  return needed
    .filter(({ keyId }) => keyId !== "" && !codes.keyIds.includes(keyId))
    .map(
      ({ keyId, sales: number, first }) =>
        `CODE_SECRET lacks the secret that makes the coupon codes of sale ${first}${number > 1 ? ` and ${number - 1} more` : ""}, those that begin with ${keyId}: put it back, behind the newest, with a comma`,
    );
}

/** In small steps: a sale that sells must not wait for thousands of others. */
async function nameOldest(db: Database, { keyIds }: CouponCodes): Promise<void> {
  const oldest = keyIds.at(-1) ?? "";
  const isNameless = eq(sales.codeKey, "");
  for (;;) {
    const nameless = await db
      .select({ id: sales.id })
      .from(sales)
      .where(isNameless)
      .limit(limits.codeKeySalesPerUpdate);
    if (nameless.length === 0) return;
    const ids = nameless.map(({ id }) => id);
    await db
      .update(sales)
      .set({ codeKey: oldest })
      .where(and(inArray(sales.id, ids), isNameless));
  }
}
