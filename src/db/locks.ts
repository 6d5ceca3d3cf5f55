import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./client.ts";
import { ER_NO_SUCH_THREAD, errnoOf } from "./errors.ts";

/**
 * The name of one of this service's locks, for GET_LOCK. MySQL's named locks belong to the whole server, so
 * the database is part of the name: two services with databases of their own on one server must not take
 * each other's recovery for theirs. A name has at most 64 characters; `purpose` at most 20.
 */
export const lockName = (purpose: string): SQL =>
  sql`CONCAT(${`doorbuster:${purpose}:`}, LEFT(SHA2(DATABASE(), 256), 32))`;

/** How long a statement of this connection waits for a row that another one has locked. */
export const waitForRows = (db: Database, seconds: number) =>
  db.execute(sql`SET SESSION innodb_lock_wait_timeout = ${sql.raw(String(seconds))}`);

/** A connection as the server's list shows it; `seconds` is how long it has done what it does now. */
interface ListedConnection {
  readonly sleeps: boolean;
  readonly seconds: number;
}

/**
 * Finds a connection of this service by its id; undefined when it is gone. Ids begin anew when a server starts
 * again, so one of another database is not the one that was meant.
 */
async function findConnection(
  db: Database,
  threadId: number,
): Promise<ListedConnection | undefined> {
  const [own] = await db.execute(sql`SELECT DATABASE() AS name`);
  const [rows] = await db.execute(sql`SHOW PROCESSLIST`);
  const { name } = (own as unknown as { name: string }[])[0] ?? {};
  const all = rows as unknown as {
    Id: number;
    db: string | null;
    Command: string;
    Time: number | null;
  }[];
  const found = all.find((row) => Number(row.Id) === threadId && row.db === name);
  return found && { sleeps: found.Command === "Sleep", seconds: Number(found.Time ?? 0) };
}

/**
 * Ends a connection of this service, and with it its transaction and its locks. `threadId` is MySQL's id of it; one
 * that is gone is fine. With `silentSeconds` one that has said something since then is left alone: whoever has it is
 * slow, not stopped. True when it was there and has been ended.
 */
export async function killConnection(
  db: Database,
  threadId: number,
  { silentSeconds }: { silentSeconds?: number } = {},
): Promise<boolean> {
  const found = await findConnection(db, threadId);
  if (!found) return false;
  if (silentSeconds !== undefined && !(found.sleeps && found.seconds > silentSeconds)) return false;
  try {
    await db.execute(sql`KILL ${sql.raw(String(threadId))}`);
    return true;
  } catch (error) {
    if (errnoOf(error) !== ER_NO_SUCH_THREAD) throw error;
    return false;
  }
}
