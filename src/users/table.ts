import { index, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant, nameKey } from "../db/columns.ts";

export const users = mysqlTable(
  "users",
  {
    id: id("id").autoincrement().primaryKey(),
    /** As registered; shown, never compared. */
    username: varchar("username", { length: 64 }).notNull(),
    /** SHA-256 of the folded name; what is compared. */
    nameKey: nameKey(),
    /** customer, seller, saler (the spelling the user registered with) or admin. */
    kind: varchar("kind", { length: 16 }).notNull(),
    /** argon2id, in the PHC string format. */
    passwordHash: varchar("password_hash", { length: 255 }).notNull(),
    /** Access tokens issued before are no good: the password was changed since, or the user was disabled. */
    tokensValidFrom: instant("tokens_valid_from"),
    disabledAt: instant("disabled_at"),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("users_name").on(table.nameKey),
    index("users_tokens_valid_from").on(table.tokensValidFrom),
  ],
);
