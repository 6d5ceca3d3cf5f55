import { char, index, int, mediumtext, mysqlTable } from "drizzle-orm/mysql-core";
import { createdAt, instant } from "../db/columns.ts";

/** Answers to POST requests with an `Idempotency-Key`, kept for a day so that a repeat gets the same one. */
export const idempotencyKeys = mysqlTable(
  "idempotency_keys",
  {
    /** SHA-256 of who asked and the key, in hexadecimal. */
    keyHash: char("key_hash", { length: 64 }).primaryKey(),
    /** Drawn for the request, and what it makes carries: the same key on another day stands for another request. */
    requestKey: char("request_key", { length: 36 }).notNull(),
    /** SHA-256 of method, path and body, in hexadecimal. */
    fingerprint: char("fingerprint", { length: 64 }).notNull(),
    /** Drawn for each execution; NULL once there is an answer. */
    owner: char("owner", { length: 36 }),
    /** Whoever finds it without an answer after this may execute it again. */
    busyUntil: instant("busy_until").notNull(),
    status: int("status", { unsigned: true }),
    /** Its headers as one line of JSON, then the body. */
    body: mediumtext("body"),
    createdAt: createdAt(),
  },
  (table) => [index("idempotency_keys_age").on(table.createdAt)],
);
