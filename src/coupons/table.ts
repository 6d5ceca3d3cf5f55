import {
  boolean,
  index,
  int,
  mysqlTable,
  primaryKey,
  uniqueIndex,
  varchar,
} from "drizzle-orm/mysql-core";
import { id, instant } from "../db/columns.ts";

/**
 * What a grant of a coupon sale becomes; written with the grant, in one transaction. A coupon is changed by one
 * conditional UPDATE that names the state it must be in, together with a row in `coupon_usage_logs`.
 */
export const coupons = mysqlTable(
  "coupons",
  {
    id: id("id").autoincrement().primaryKey(),
    code: varchar("code", { length: 32 }).notNull(),
    userId: id("user_id").notNull(),
    saleId: id("sale_id").notNull(),
    grantNo: id("grant_no").notNull(),
    templateId: id("template_id").notNull(),
    /** unused, locked, used or expired. A lock that ran out counts as unused before anybody has said so here. */
    state: varchar("state", { length: 16 }).notNull().default("unused"),
    /** Usable from here and before there; NULL is without a bound. */
    validFrom: instant("valid_from"),
    expiresAt: instant("expires_at"),
    /** The order that has it locked or used. */
    orderSn: varchar("order_sn", { length: 64 }),
    /** A service has locked or used it for that order: its owner cannot undo that. */
    byService: boolean("by_service").notNull().default(false),
    lockedUntil: instant("locked_until"),
    /** What it counts of the template's budget while it is locked or used, minor units. */
    reserved: id("reserved").notNull().default(0),
    /** What the order came to before it, and what it took off, once used; minor units. */
    originalAmount: id("original_amount"),
    discountAmount: id("discount_amount"),
    usedAt: instant("used_at"),
    grantedAt: instant("granted_at").notNull(),
  },
  (table) => [
    uniqueIndex("coupons_code").on(table.code),
    uniqueIndex("coupons_grant").on(table.saleId, table.grantNo),
    // The order of a wallet.
    index("coupons_user").on(table.userId, table.saleId, table.grantNo),
    // What the sweep looks for: what is over, and locks that ran out.
    index("coupons_expiry").on(table.state, table.expiresAt),
    index("coupons_lock").on(table.state, table.lockedUntil),
  ],
);

/** Every change of a coupon; never changed or deleted. */
export const couponUsageLogs = mysqlTable(
  "coupon_usage_logs",
  {
    id: id("id").autoincrement().primaryKey(),
    couponId: id("coupon_id").notNull(),
    /** lock, confirm, unlock, use, revert, expire, or lapse when a lock ran out. */
    action: varchar("action", { length: 16 }).notNull(),
    orderSn: varchar("order_sn", { length: 64 }),
    originalAmount: id("original_amount"),
    discountAmount: id("discount_amount"),
    /** `user:7`, `key:3` or the name of a part of the service. */
    actor: varchar("actor", { length: 64 }).notNull(),
    at: instant("at").notNull(),
  },
  (table) => [index("coupon_usage_logs_coupon").on(table.couponId)],
);

/**
 * How many coupons of a template a user has locked or used: the row that decides where the template has a limit.
 * It counts without a limit too, so that it is right when one comes.
 */
export const templateUsers = mysqlTable(
  "template_users",
  {
    templateId: id("template_id").notNull(),
    userId: id("user_id").notNull(),
    held: int("held", { unsigned: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.templateId, table.userId] })],
);
