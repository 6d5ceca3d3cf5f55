import { sql } from "drizzle-orm";
import { check, index, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant, nameKey } from "../db/columns.ts";

/**
 * A flash sale. `granted` and `returned` are what the ledger worker has recorded so far; the live
 * counters are in Redis. The check is the last guard against overselling: on the difference, because
 * granted numbers are never used twice and may exceed the total once units have come back.
 */
export const sales = mysqlTable(
  "sales",
  {
    id: id("id").autoincrement().primaryKey(),
    sellerId: id("seller_id").notNull(),
    templateId: id("template_id").notNull(),
    name: varchar("name", { length: 255 }).notNull(),
    /** SHA-256 of the exact name. */
    nameKey: nameKey(),
    total: id("total").notNull(),
    granted: id("granted").notNull().default(0),
    returned: id("returned").notNull().default(0),
    /** Grants per user that are not returned. */
    userLimit: id("user_limit").notNull().default(1),
    /** open or paused. */
    state: varchar("state", { length: 16 }).notNull().default("open"),
    opensAt: instant("opens_at"),
    closesAt: instant("closes_at"),
    /** Set before Redis learns of the sale: from then on, its absence there means loss. */
    warmedAt: instant("warmed_at"),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("sales_seller_name").on(table.sellerId, table.nameKey),
    // With the primary key that every index ends in, this is the order of a seller's list.
    index("sales_seller").on(table.sellerId),
    index("sales_warmed").on(table.warmedAt),
    check("sales_not_oversold", sql.raw("`granted` <= `total` + `returned`")),
  ],
);
