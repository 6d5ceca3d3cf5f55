// What changes of an account after its making: the password, and whether it may be used. Each of these ends all
// tokens of the user: all that was given before carries another `tokens_valid_from` than the user has now.

import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { users } from "./table.ts";

/** Unlike that of any ending before, also within one millisecond and when the clock was set back. */
const nextInstant = sql`GREATEST(UTC_TIMESTAMP(3), COALESCE(${users.tokensValidFrom}, UTC_TIMESTAMP(3))) + INTERVAL 1000 MICROSECOND`;

/** `since` of the tokens that are good from now on; undefined when no row matched. */
async function endTokens(
  db: Database,
  userId: number,
  change: { passwordHash?: string; disabledAt?: SQL },
  condition?: SQL,
): Promise<number | undefined> {
  const isUser = eq(users.id, userId);
  return db.transaction(async (transaction) => {
    const [result] = await transaction
      .update(users)
      .set({ ...change, tokensValidFrom: nextInstant })
      .where(and(isUser, condition));
    if (result.affectedRows === 0) return undefined;
    const [row] = await transaction
      .select({ validFrom: users.tokensValidFrom })
      .from(users)
      .where(isUser);
    return row?.validFrom?.getTime();
  });
}

/**
 * A new password, as a hash. With `instead` only if that is still the hash of the present one and the user is not
 * disabled. Gives `since` of the user's tokens from now on, to be announced; undefined when nothing was changed.
 */
export const setPassword = (
  db: Database,
  userId: number,
  passwordHash: string,
  instead?: string,
): Promise<number | undefined> =>
  endTokens(
    db,
    userId,
    { passwordHash },
    instead === undefined
      ? undefined
      : and(eq(users.passwordHash, instead), isNull(users.disabledAt)),
  );

/** Nobody logs in as this user until `enableUser`. Gives `since`, as above; undefined when there is no such user. */
export const disableUser = (db: Database, userId: number): Promise<number | undefined> =>
  endTokens(db, userId, { disabledAt: sql`COALESCE(${users.disabledAt}, UTC_TIMESTAMP(3))` });

/** Lets the user log in again. */
export async function enableUser(db: Database, userId: number): Promise<void> {
  await db.update(users).set({ disabledAt: null }).where(eq(users.id, userId));
}
