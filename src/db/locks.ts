import { type SQL, sql } from "drizzle-orm";

/**
 * The name of one of this service's locks, for GET_LOCK. MySQL's named locks belong to the whole server, so
 * the database is part of the name: two services with databases of their own on one server must not take
 * each other's recovery for theirs. A name has at most 64 characters; `purpose` at most 20.
 */
export const lockName = (purpose: string): SQL =>
  sql`CONCAT(${`doorbuster:${purpose}:`}, LEFT(SHA2(DATABASE(), 256), 32))`;
