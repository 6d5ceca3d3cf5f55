// Keys of other services, which act for users. They are few, so each process holds all of them in memory, by their
// hash, and reads them again when a key is shown and what it holds is older than two seconds. Neither a key that is
// in use nor one that somebody guesses costs a question to MySQL; one that was revoked stops working on every
// process within `serviceKeyTrustMs`, and a new one works as soon. The look-up is by SHA-256: how long it takes says
// nothing about a key that begins like the one shown.

import { createHash, randomBytes } from "node:crypto";
import { and, eq, isNull, sql } from "drizzle-orm";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { isDuplicate } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { serviceKeys } from "./table.ts";

export interface ServiceKeys {
  /** Its id; undefined when there is no such key any more. Throws when MySQL is away and what is known too old. */
  find(key: string): Promise<number | undefined>;
}

const KEY = /^dbk_[\w-]{43}$/;
const hashOf = (key: string): string => createHash("sha256").update(key).digest("hex");

/** `clock` need not tell the time of day, only how much of it passes, in milliseconds. */
export function createServiceKeys({ db, clock }: { db: Database; clock: Clock }): ServiceKeys {
  let known = new Map<string, number>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const startedAt = clock.now();
    const rows = await db
      .select()
      .from(serviceKeys)
      .where(isNull(serviceKeys.revokedAt))
      .limit(limits.serviceKeysMax);
    known = new Map(rows.map(({ id, keyHash }) => [keyHash, id]));
    readAt = startedAt;
  }

  return {
    async find(key) {
      if (!KEY.test(key)) return undefined;
      if (clock.now() - readAt >= limits.serviceKeyTrustMs) {
        reading ??= read().finally(() => {
          reading = undefined;
        });
        await reading;
      }
      return known.get(hashOf(key));
    },
  };
}

/**
 * Makes a key; the text is what the service will show, and is nowhere else. "taken": there is or was one of this
 * name; "full": there are `serviceKeysMax` already.
 */
export async function createServiceKey(
  db: Database,
  name: string,
): Promise<{ key: string } | "taken" | "full"> {
  const [count] = await db
    .select({ active: sql<number>`COUNT(*)` })
    .from(serviceKeys)
    .where(isNull(serviceKeys.revokedAt));
  if (Number(count?.active) >= limits.serviceKeysMax) return "full";
  const key = `dbk_${randomBytes(32).toString("base64url")}`;
  try {
    await db.insert(serviceKeys).values({ name, keyHash: hashOf(key) });
    return { key };
  } catch (error) {
    if (isDuplicate(error)) return "taken";
    throw error;
  }
}

/** All keys that there are or were, the oldest first. */
export const listServiceKeys = (db: Database) =>
  db
    .select({
      id: serviceKeys.id,
      name: serviceKeys.name,
      createdAt: serviceKeys.createdAt,
      revokedAt: serviceKeys.revokedAt,
    })
    .from(serviceKeys)
    .orderBy(serviceKeys.id)
    .limit(limits.serviceKeysShownMax);

/** False when there is no active key of this name. */
export async function revokeServiceKey(db: Database, name: string): Promise<boolean> {
  const [result] = await db
    .update(serviceKeys)
    .set({ revokedAt: sql`UTC_TIMESTAMP(3)` })
    .where(and(eq(serviceKeys.name, name), isNull(serviceKeys.revokedAt)));
  return result.affectedRows > 0;
}
