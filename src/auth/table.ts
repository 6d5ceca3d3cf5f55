import { char, index, int, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant } from "../db/columns.ts";

/**
 * Refresh tokens, one row per rotation. A family begins with a log-in; whoever shows a token of it that was
 * used before ends the whole family.
 */
export const refreshTokens = mysqlTable(
  "refresh_tokens",
  {
    id: id("id").autoincrement().primaryKey(),
    family: char("family", { length: 36 }).notNull(),
    /** 1 for the log-in's own, and one more with each rotation. */
    generation: int("generation", { unsigned: true }).notNull(),
    userId: id("user_id").notNull(),
    /** SHA-256 of the token, in hexadecimal. */
    tokenHash: char("token_hash", { length: 64 }).notNull(),
    /** The access token that was given with it. */
    accessTokenId: char("access_token_id", { length: 36 }).notNull(),
    issuedAt: instant("issued_at").notNull(),
    expiresAt: instant("expires_at").notNull(),
    rotatedAt: instant("rotated_at"),
    revokedAt: instant("revoked_at"),
  },
  (table) => [
    uniqueIndex("refresh_tokens_hash").on(table.tokenHash),
    uniqueIndex("refresh_tokens_generation").on(table.family, table.generation),
    index("refresh_tokens_user").on(table.userId),
    index("refresh_tokens_expiry").on(table.expiresAt),
  ],
);

/** Keys of other services, which act for users. Shown once, stored hashed. */
export const serviceKeys = mysqlTable(
  "service_keys",
  {
    id: id("id").autoincrement().primaryKey(),
    name: varchar("name", { length: 64 }).notNull(),
    /** SHA-256 of the key, in hexadecimal; a key is 32 random bytes, which need no slow hash. */
    keyHash: char("key_hash", { length: 64 }).notNull(),
    createdAt: createdAt(),
    revokedAt: instant("revoked_at"),
  },
  (table) => [
    uniqueIndex("service_keys_hash").on(table.keyHash),
    uniqueIndex("service_keys_name").on(table.name),
  ],
);
