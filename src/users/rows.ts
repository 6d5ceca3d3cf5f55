// The rows of accounts.

import { eq } from "drizzle-orm";
import type { Kind } from "../auth/token.ts";
import type { Database } from "../db/client.ts";
import { isDuplicate } from "../db/errors.ts";
import { nameKeyOf } from "./name.ts";
import { users } from "./table.ts";

export type UserRow = typeof users.$inferSelect;

/** By any spelling of the name. */
export async function findRow(db: Database, username: string): Promise<UserRow | undefined> {
  const where = eq(users.nameKey, nameKeyOf(username));
  const [found] = await db.select().from(users).where(where).limit(1);
  return found;
}

/** Expects a name that `isAcceptableName` accepts; the unique index decides whether it is taken. Gives the new id. */
export async function insertRow(
  db: Database,
  { username, kind, passwordHash }: { username: string; kind: Kind; passwordHash: string },
): Promise<number | "taken"> {
  try {
    const row = { username, nameKey: nameKeyOf(username), kind, passwordHash };
    const [made] = await db.insert(users).values(row).$returningId();
    return (made as { id: number }).id;
  } catch (error) {
    if (isDuplicate(error)) return "taken";
    throw error;
  }
}
