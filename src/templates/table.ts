import { char, index, int, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant, jsonOf, requestKey } from "../db/columns.ts";

/** What a coupon is worth, and under which conditions. The classic API makes one with every coupon. */
export const templates = mysqlTable(
  "templates",
  {
    id: id("id").autoincrement().primaryKey(),
    sellerId: id("seller_id").notNull(),
    name: varchar("name", { length: 255 }).notNull(),
    description: varchar("description", { length: 255 }).notNull(),
    /** amount_off, percent_off or free_shipping. */
    type: varchar("type", { length: 16 }).notNull().default("amount_off"),
    /** What amount_off takes off, minor units; the classic API calls it `stock`. 0 for the other types. */
    faceValue: id("face_value").notNull(),
    /** What percent_off takes off, basis points: 2000 is 20 %. NULL for the other types. */
    basisPoints: int("basis_points", { unsigned: true }),
    /** The most that percent_off or free_shipping takes off, minor units; NULL is without a cap. */
    discountMax: id("discount_max"),
    /** What the eligible items must come to, minor units; 0 is no threshold. */
    minimumSpend: id("minimum_spend").notNull().default(0),
    /** ISO 4217. */
    currency: char("currency", { length: 3 }).notNull().default("CNY"),
    /** Ids of goods and categories; an empty list of the applicable ones means all. */
    goods: jsonOf<string[]>("goods"),
    categories: jsonOf<string[]>("categories"),
    excludedGoods: jsonOf<string[]>("excluded_goods"),
    excludedCategories: jsonOf<string[]>("excluded_categories"),
    /** Coupons of this template that one user may have locked or used; NULL is any number. */
    userLimit: int("user_limit", { unsigned: true }),
    /** The most units that all its sales together may have; NULL is any number. */
    totalCount: id("total_count"),
    /** What all its coupons together may take off, minor units; NULL is any amount. */
    budget: id("budget"),
    /** Of the budget: held by locked coupons, and taken off by used ones. */
    budgetReserved: id("budget_reserved").notNull().default(0),
    budgetSpent: id("budget_spent").notNull().default(0),
    /** exclusive (alone on an order), group (one of its group) or free. */
    stacking: varchar("stacking", { length: 16 }).notNull().default("free"),
    stackingGroup: varchar("stacking_group", { length: 32 }),
    /** Either these instants or this many days after the grant; all NULL is for ever. */
    validFrom: instant("valid_from"),
    validUntil: instant("valid_until"),
    validDays: int("valid_days", { unsigned: true }),
    /** draft, published or disabled. */
    state: varchar("state", { length: 16 }).notNull().default("published"),
    version: int("version", { unsigned: true }).notNull().default(1),
    requestKey: requestKey(),
    updatedAt: instant("updated_at"),
    createdAt: createdAt(),
  },
  (table) => [
    index("templates_seller").on(table.sellerId),
    uniqueIndex("templates_request").on(table.requestKey),
  ],
);
