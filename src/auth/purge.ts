// Removes the rows of sessions whose time is up, a few at a time: nobody asks for them any more.

import { lte, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { refreshTokens } from "./table.ts";

/** One batch; gives how many rows it removed. Throws when MySQL is away. */
export async function purgeSessions(db: Database): Promise<number> {
  const [result] = await db
    .delete(refreshTokens)
    .where(lte(refreshTokens.expiresAt, sql`UTC_TIMESTAMP(3)`))
    .limit(limits.sessionsPurgedPerPass);
  return result.affectedRows;
}

/** Begins to remove them, a batch a minute; returns how to stop. */
export function startPurge(db: Database, log: Log): () => void {
  const timer = setInterval(() => {
    purgeSessions(db).catch((error) =>
      log.warn({ reason: reasonOf(error) }, "sessions that are over were not removed"),
    );
  }, limits.sessionPurgeMs);
  return () => clearInterval(timer);
}
