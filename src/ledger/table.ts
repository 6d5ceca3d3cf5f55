import {
  bigint,
  boolean,
  datetime,
  index,
  int,
  mysqlTable,
  primaryKey,
  text,
  uniqueIndex,
  varchar,
} from "drizzle-orm/mysql-core";
import { createdAt, id, instant } from "../db/columns.ts";

/**
 * The ledger in MySQL: each number of a sale exactly once. The primary key refuses a number twice; the
 * unique key refuses a user more than the limit, because an unreturned grant holds one of the user's
 * slots 1 ... limit and a returned one holds NULL.
 */
export const grants = mysqlTable(
  "grants",
  {
    saleId: id("sale_id").notNull(),
    grantNo: id("grant_no").notNull(),
    /** 0 for a void number, which belongs to nobody. */
    userId: id("user_id").notNull(),
    userSlot: int("user_slot", { unsigned: true }),
    keyHash: varchar("key_hash", { length: 64 }),
    epoch: id("epoch").notNull(),
    grantedAt: instant("granted_at").notNull(),
    returnedAt: instant("returned_at"),
    /** granted, returned or void. */
    state: varchar("state", { length: 16 }).notNull().default("granted"),
  },
  (table) => [
    primaryKey({ columns: [table.saleId, table.grantNo] }),
    uniqueIndex("grants_user_slot").on(table.saleId, table.userId, table.userSlot),
    index("grants_user").on(table.userId),
  ],
);

/** What could not be written, with the reason. Never deleted by the service. */
export const deadLetters = mysqlTable(
  "dead_letters",
  {
    id: id("id").autoincrement().primaryKey(),
    shard: int("shard", { unsigned: true }).notNull(),
    entryId: varchar("entry_id", { length: 48 }).notNull(),
    /** 0 where the entry was too broken to tell. */
    saleId: id("sale_id").notNull(),
    grantNo: id("grant_no").notNull(),
    reason: varchar("reason", { length: 255 }).notNull(),
    payload: text("payload").notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("dead_letters_place").on(table.shard, table.entryId, table.saleId, table.grantNo),
  ],
);

/**
 * One row per shard: how far its ledger is recorded, who may write, and what a Redis must know to be
 * believed. The row lock on it, held until COMMIT, is what keeps two workers from writing one shard.
 */
export const shards = mysqlTable("shards", {
  shard: int("shard", { unsigned: true }).primaryKey(),
  epoch: bigint("epoch", { mode: "number", unsigned: true }).notNull().default(0),
  /** Drawn anew by each recovery and part of the script's text; empty before the first. */
  incarnation: varchar("incarnation", { length: 32 }).notNull().default(""),
  /** Stream id of the last recorded entry. */
  lastId: varchar("last_id", { length: 48 }).notNull().default("0-0"),
  leaseOwner: varchar("lease_owner", { length: 64 }),
  leaseUntil: datetime("lease_until", { mode: "date", fsp: 3 }),
  /** MySQL's id of the connection the owner writes on, so that a stopped one can be killed. */
  connectionId: bigint("connection_id", { mode: "number", unsigned: true }),
});

/** Living processes, by heartbeat; they share the shards among them. */
export const processes = mysqlTable("processes", {
  id: varchar("id", { length: 64 }).primaryKey(),
  host: varchar("host", { length: 255 }).notNull(),
  pid: int("pid", { unsigned: true }).notNull(),
  startedAt: instant("started_at").notNull(),
  heartbeatAt: instant("heartbeat_at").notNull(),
  /** False while Redis does not answer it: then it has no share of the shards. */
  reachesRedis: boolean("reaches_redis").notNull().default(true),
  /** The texts of its scripts as JSON, so that a recovery loads those of every version that serves. */
  scripts: text("scripts"),
});

/** One row per recovery of a shard. */
export const recoveries = mysqlTable(
  "recoveries",
  {
    id: id("id").autoincrement().primaryKey(),
    shard: int("shard", { unsigned: true }).notNull(),
    epochFrom: id("epoch_from").notNull(),
    epochTo: id("epoch_to").notNull(),
    reason: varchar("reason", { length: 255 }).notNull(),
    salesRebuilt: int("sales_rebuilt", { unsigned: true }).notNull(),
    grantsRestored: int("grants_restored", { unsigned: true }).notNull(),
    voids: int("voids", { unsigned: true }).notNull(),
    /** Processes that served shortly before and could not be asked: what only they knew is lost without a number. */
    unheard: int("unheard", { unsigned: true }).notNull().default(0),
    milliseconds: int("milliseconds", { unsigned: true }).notNull(),
    createdAt: createdAt(),
  },
  (table) => [index("recoveries_shard").on(table.shard)],
);

/** Grants that living processes have confirmed in the last seconds, handed in for one recovery. */
export const witnesses = mysqlTable(
  "witnesses",
  {
    id: id("id").autoincrement().primaryKey(),
    shard: int("shard", { unsigned: true }).notNull(),
    epoch: id("epoch").notNull(),
    processId: varchar("process_id", { length: 64 }).notNull(),
    saleId: id("sale_id").notNull(),
    /** 0 in the row that says "this is all I have". */
    grantNo: id("grant_no").notNull(),
    userId: id("user_id").notNull(),
    userSlot: int("user_slot", { unsigned: true }).notNull(),
    keyHash: varchar("key_hash", { length: 64 }),
    grantedAt: instant("granted_at").notNull(),
  },
  (table) => [index("witnesses_recovery").on(table.shard, table.epoch, table.processId)],
);
