import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./client.ts";

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

/** Ends a connection, and with it its transaction and its locks. `threadId` is MySQL's id of it. */
export const killConnection = (db: Database, threadId: number) =>
  db.execute(sql`KILL ${sql.raw(String(threadId))}`);
