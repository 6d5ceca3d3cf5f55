// Column types that mean the same on MySQL 8.0-9 and MariaDB 10.11.

import { type SQL, sql } from "drizzle-orm";
import { bigint, char, customType, datetime } from "drizzle-orm/mysql-core";

/** An id or a number of units; never negative, below 2^53. */
export const id = (name: string) => bigint(name, { mode: "number", unsigned: true });

/** An instant in UTC with milliseconds. DATETIME, because TIMESTAMP ends in 2038 and follows the session's zone. */
export const instant = (name: string) => datetime(name, { mode: "date", fsp: 3 });

/** An instant by MySQL's own clock: that many seconds from now, or ago where negative. */
export const secondsFromNow = (seconds: number): SQL =>
  sql`NOW(3) + INTERVAL ${sql.raw(String(seconds))} SECOND`;

/** When the row was made, by MySQL's own clock in UTC. */
export const createdAt = () => instant("created_at").notNull().default(sql`(UTC_TIMESTAMP(3))`);

/**
 * A short text of letters, digits and signs that nobody's language is in. It is compared byte by byte: in the indexes of
 * a table that grows with every grant, a collation would cost more than the text.
 */
export const plainText = (name: string, { length }: { length: number }) =>
  customType<{ data: string; driverData: string }>({
    dataType: () => `varchar(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
  })(name);

/**
 * SHA-256 of a name, in hexadecimal. Uniqueness is on this column, not on the name: collations differ
 * between the servers, fold case, and ignore trailing spaces.
 */
export const nameKey = () => char("name_key", { length: 64 }).notNull();

/**
 * The request that made or changed the row, as `idempotency_keys` knows it; unique, so that a request whose answer was
 * lost cannot make the same thing twice. NULL where there was no `Idempotency-Key`.
 */
export const requestKey = () => char("request_key", { length: 36 });

/** A JSON value. MySQL gives it back as a value, MariaDB, where JSON is text, as text. */
export const jsonOf = <Value extends object>(name: string) =>
  customType<{ data: Value; driverData: unknown }>({
    dataType: () => "json",
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (value) => (typeof value === "string" ? JSON.parse(value) : value) as Value,
  })(name);
