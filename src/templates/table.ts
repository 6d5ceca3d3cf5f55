import { index, mysqlTable, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id } from "../db/columns.ts";

/** What a coupon is worth. The classic API makes one with every coupon. */
export const templates = mysqlTable(
  "templates",
  {
    id: id("id").autoincrement().primaryKey(),
    sellerId: id("seller_id").notNull(),
    name: varchar("name", { length: 255 }).notNull(),
    description: varchar("description", { length: 255 }).notNull(),
    /** Minor units; the classic API calls it `stock`. */
    faceValue: id("face_value").notNull(),
    createdAt: createdAt(),
  },
  (table) => [index("templates_seller").on(table.sellerId)],
);
