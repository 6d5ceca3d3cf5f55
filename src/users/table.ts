import { mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, nameKey } from "../db/columns.ts";

export const users = mysqlTable(
  "users",
  {
    id: id("id").autoincrement().primaryKey(),
    /** As registered; shown, never compared. */
    username: varchar("username", { length: 64 }).notNull(),
    /** SHA-256 of the folded name; what is compared. */
    nameKey: nameKey(),
    /** customer, seller or saler: the spelling the user registered with. */
    kind: varchar("kind", { length: 16 }).notNull(),
    /** argon2id, in the PHC string format. */
    passwordHash: varchar("password_hash", { length: 255 }).notNull(),
    createdAt: createdAt(),
  },
  (table) => [uniqueIndex("users_name").on(table.nameKey)],
);
