import { char, index, int, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant } from "../db/columns.ts";

/**
 * Sessions of /v1, one row each, that a log-in begins and each rotation of its refresh token renews. Nothing of the
 * tokens themselves is stored: they are made of what stands here and a secret (refresh.ts).
 */
export const refreshTokens = mysqlTable(
  "refresh_tokens",
  {
    id: id("id").autoincrement().primaryKey(),
    family: char("family", { length: 36 }).notNull(),
    /** Of the newest refresh token: 1 for the log-in's own, and one more with each rotation. */
    generation: int("generation", { unsigned: true }).notNull(),
    userId: id("user_id").notNull(),
    /** The access token that was given with it. */
    accessTokenId: char("access_token_id", { length: 36 }).notNull(),
    /** The user's `tokens_valid_from` when the session began. Once the user has another, the session is over. */
    since: instant("since"),
    /** When the newest was made. */
    issuedAt: instant("issued_at").notNull(),
    /** The same for all generations: whoever logs in does so again after that time at the latest. */
    expiresAt: instant("expires_at").notNull(),
    revokedAt: instant("revoked_at"),
  },
  (table) => [
    uniqueIndex("refresh_tokens_family").on(table.family),
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
