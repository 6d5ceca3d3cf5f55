import { sql } from "drizzle-orm";
import { char, check, index, int, mysqlTable, uniqueIndex, varchar } from "drizzle-orm/mysql-core";
import { createdAt, id, instant, jsonOf, nameKey, requestKey } from "../db/columns.ts";

/** A UUID. */
const changeId = () => char("change_id", { length: 36 });

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
    /** Counts the changes, those that were refused too; Redis takes a change only if it is newer than what it has. */
    version: int("version", { unsigned: true }).notNull().default(0),
    /** The last change that was made; NULL on a sale that was never changed. */
    changeId: changeId(),
    /** Grabs per user and second; NULL is the service's own rate. */
    grabsPerSecond: int("grabs_per_second", { unsigned: true }),
    /** Which of the secrets makes its coupon codes, so that a repeated grab gets the same code for ever. */
    codeKey: char("code_key", { length: 2 }).notNull().default(""),
    requestKey: requestKey(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("sales_seller_name").on(table.sellerId, table.nameKey),
    // With the primary key that every index ends in, this is the order of a seller's list.
    index("sales_seller").on(table.sellerId),
    index("sales_warmed").on(table.warmedAt),
    // Sales of one state among all there ever were: those to come, those that are not over, those that are paused.
    index("sales_opens").on(table.state, table.opensAt),
    index("sales_closes").on(table.state, table.closesAt),
    index("sales_template").on(table.templateId),
    uniqueIndex("sales_request").on(table.requestKey),
    check("sales_not_oversold", sql.raw("`granted` <= `total` + `returned`")),
  ],
);

/** The fields of a sale that can change; those that are left out stay. */
export interface SaleChange {
  /** These two are in MySQL only. */
  readonly name?: string;
  readonly templateId?: number;
  readonly total?: number;
  readonly userLimit?: number;
  /** "deleted" is in Redis only, until MySQL has no such sale any more. */
  readonly state?: "open" | "paused" | "deleted";
  /** Milliseconds since the epoch; null takes the bound away. */
  readonly opensAt?: number | null;
  readonly closesAt?: number | null;
  readonly grabsPerSecond?: number | null;
}

/** What is done to a sale. */
export type SaleAction = "create" | "change" | "pause" | "resume" | "restock" | "delete";

/**
 * A change of a sale that one of the two stores does not have yet; whoever finds it finishes it. One per sale,
 * which is what makes changes of a sale follow each other.
 */
export const outbox = mysqlTable("outbox", {
  saleId: id("sale_id").primaryKey(),
  /** Alone tells this change from every other one: who is late with it must not take another for it. */
  changeId: changeId().notNull(),
  /** The sale's version once the change is made or refused. */
  version: int("version", { unsigned: true }).notNull(),
  /** As in `sale_changes`. */
  action: varchar("action", { length: 16 }).$type<SaleAction>().notNull(),
  before: jsonOf<SaleChange>("fields_before").notNull(),
  change: jsonOf<SaleChange>("change_fields").notNull(),
  /** The shard's epoch that it was decided under, when it must not take effect after a recovery. */
  epoch: int("epoch", { unsigned: true }),
  /** What `sale_changes` says of it. */
  reason: varchar("reason", { length: 255 }).notNull(),
  actor: varchar("actor", { length: 64 }).notNull(),
  requestKey: requestKey(),
  createdAt: createdAt(),
});

/** Who changed a sale, when and why; never changed or deleted. */
export const saleChanges = mysqlTable(
  "sale_changes",
  {
    id: id("id").autoincrement().primaryKey(),
    saleId: id("sale_id").notNull(),
    /** NULL on the making of a sale. */
    changeId: changeId(),
    version: int("version", { unsigned: true }).notNull(),
    action: varchar("action", { length: 16 }).$type<SaleAction>().notNull(),
    before: jsonOf<SaleChange>("fields_before").notNull(),
    after: jsonOf<SaleChange>("fields_after").notNull(),
    reason: varchar("reason", { length: 255 }).notNull(),
    /** `user:7`, `key:3` or the name of a part of the service. */
    actor: varchar("actor", { length: 64 }).notNull(),
    requestKey: requestKey(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("sale_changes_change").on(table.changeId),
    uniqueIndex("sale_changes_version").on(table.saleId, table.version),
    uniqueIndex("sale_changes_request").on(table.requestKey),
  ],
);
