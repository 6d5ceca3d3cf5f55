import { sql } from "drizzle-orm";
import {
  boolean,
  customType,
  index,
  int,
  mysqlTable,
  primaryKey,
  uniqueIndex,
  varchar,
} from "drizzle-orm/mysql-core";
import { id, instant, plainText } from "../db/columns.ts";

/** The name of a coupon in its history. MariaDB has no NOT NULL for what is generated, so only the type says it. */
const couponId = customType<{ data: string; driverData: string; notNull: true }>({
  dataType: () => "varchar(41) CHARACTER SET ascii COLLATE ascii_bin",
});

/**
 * What a grant of a coupon sale becomes; written with the grant, in one transaction. A coupon is changed by one
 * conditional UPDATE that names the state it must be in, together with a row in `coupon_usage_logs`.
 *
 * Every grant that is sold pays for each index here, so there are no more than these. The primary key is the grant's: a
 * number has one coupon, a sale's coupons are in the order of its grants, and are written at the table's end.
 */
export const coupons = mysqlTable(
  "coupons",
  {
    /** Sale and number in one, "7-31": what its history calls it. Not stored, and no way to find it. */
    id: couponId("id").generatedAlwaysAs(sql`CONCAT(sale_id, '-', grant_no)`, { mode: "virtual" }),
    code: plainText("code", { length: 32 }).notNull(),
    userId: id("user_id").notNull(),
    saleId: id("sale_id").notNull(),
    grantNo: id("grant_no").notNull(),
    templateId: id("template_id").notNull(),
    /** unused, locked, used or expired. A lock that ran out counts as unused before anybody has said so here. */
    state: plainText("state", { length: 16 }).notNull().default("unused"),
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
    /** When the sweep has to look at it: the end of its lock, or of its time. */
    dueAt: instant("due_at").generatedAlwaysAs(
      sql`IF(state = 'locked', locked_until, expires_at)`,
      { mode: "stored" },
    ),
  },
  (table) => [
    primaryKey({ columns: [table.saleId, table.grantNo] }),
    // It follows from sale, number and user; this holds whatever happens to the secrets that make it.
    uniqueIndex("coupons_code").on(table.code),
    // The order of a wallet.
    index("coupons_user").on(table.userId, table.saleId, table.grantNo),
    // What the sweep looks for: what is over, and locks that ran out.
    index("coupons_due").on(table.state, table.dueAt),
  ],
);

/** Every change of a coupon; never changed or deleted. */
export const couponUsageLogs = mysqlTable(
  "coupon_usage_logs",
  {
    id: id("id").autoincrement().primaryKey(),
    couponId: couponId("coupon_id").notNull(),
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

/**
 * A row for each user whose coupons orders take; who holds it is the only one that gives coupons of the user to orders
 * (hold.ts). Not `users`: a token may be of somebody who is not in it.
 */
export const couponOwners = mysqlTable("coupon_owners", { userId: id("user_id").primaryKey() });
