// Users with every role, put into MySQL: an admin cannot register, and each log-in would cost a password's hash.

import { createPasswords } from "../../src/auth/passwords.ts";
import type { Kind } from "../../src/auth/token.ts";
import type { Database } from "../../src/db/client.ts";
import { nameKeyOf } from "../../src/users/name.ts";
import { users } from "../../src/users/table.ts";

export interface FuzzUser {
  readonly id: number;
  readonly username: string;
  readonly kind: Kind;
}

/** One user for each kind named. Nobody knows their password. */
export async function addUsers(db: Database, kinds: readonly Kind[]): Promise<FuzzUser[]> {
  const hashed = await createPasswords().hash(crypto.randomUUID());
  if (hashed === "busy") throw new Error("no password could be hashed");
  const rows = kinds.map((kind, at) => {
    const username = `fuzz-${kind}-${at}`;
    return { username, nameKey: nameKeyOf(username), kind, passwordHash: hashed.hash };
  });
  const ids = await db.insert(users).values(rows).$returningId();
  return rows.map(({ username, kind }, at) => ({ id: ids[at]?.id ?? 0, username, kind }));
}
