// Removes the rows of sessions whose time is up: nobody asks for them any more.

import { lte, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { startPurge } from "../db/purge.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { refreshTokens } from "./table.ts";

/** One batch; gives how many rows it removed. Throws when MySQL is away. */
export async function purgeSessions(db: Database): Promise<number> {
  const [result] = await db
    .delete(refreshTokens)
    .where(lte(refreshTokens.expiresAt, sql`UTC_TIMESTAMP(3)`))
    .limit(limits.sessionsPurgedPerBatch);
  return result.affectedRows;
}

/** Begins to remove them; returns how to stop, as `startPurge` does. */
export const startSessionPurge = (db: Database, log: Log): (() => Promise<void>) =>
  startPurge({
    everyMs: limits.sessionPurgeMs,
    batchRows: limits.sessionsPurgedPerBatch,
    batch: () => purgeSessions(db),
    ...{ log, failed: "sessions that are over were not removed" },
  });
