// Ways to damage what the stores know of one sale, each with the findings that the audit must come to.

import { and, eq } from "drizzle-orm";
import type { FindingKind } from "../../src/audit/finding.ts";
import type { Database } from "../../src/db/client.ts";
import { deadLetters, grants } from "../../src/ledger/table.ts";
import type { Redis } from "../../src/redis/client.ts";
import { saleKeys, shardOf } from "../../src/redis/keys.ts";
import { sales } from "../../src/sales/table.ts";
import { couponDamages } from "./coupon-damages.ts";

/** Each sale has sold so many. */
export const WINNERS = 40;

/** Past the service. */
export interface Store {
  readonly redis: Redis;
  readonly db: Database;
}

/** One way to hurt a sale whose numbers 1 to 40 are sold, and what the audit says of it. */
export interface Damage {
  readonly what: string;
  /** Grants per user; users then have two each. */
  readonly limit?: number;
  readonly hurt: (store: Store, saleId: number) => Promise<unknown>;
  /** Kinds of the findings, with their numbers. */
  readonly found: readonly (readonly [kind: FindingKind, ...numbers: number[]])[];
}

/** One row of a sale. */
export const row = (saleId: number, number: number) =>
  and(eq(grants.saleId, saleId), eq(grants.grantNo, number));
/** The user of a number, where the limit is one. */
export const userOf = (number: number): string => String(1_000 + number);

export const damages: readonly Damage[] = [
  { what: "nothing", hurt: () => Promise.resolve(), found: [] },
  { what: "nothing, where the limit is two", limit: 2, hurt: () => Promise.resolve(), found: [] },
  {
    what: "a row is deleted",
    hurt: ({ db }, saleId) => db.delete(grants).where(row(saleId, 7)),
    found: [
      ["number_missing", 7],
      ["coupon_unknown", 7],
    ],
  },
  {
    what: "the last rows are deleted",
    hurt: async ({ db }, saleId) => {
      for (const number of [39, 40]) await db.delete(grants).where(row(saleId, number));
    },
    found: [
      ["number_missing", 39, 40],
      ["coupon_unknown", 39, 40],
    ],
  },
  {
    what: "there is a row too many",
    hurt: ({ db }, saleId) =>
      db.insert(grants).values({
        ...{ saleId, grantNo: 41, userId: 5, userSlot: 1, epoch: 1, grantedAt: new Date() },
      }),
    found: [["counters"], ["number_unknown", 41], ["coupon_missing", 41]],
  },
  {
    what: "a row has another user",
    hurt: ({ db }, saleId) => db.update(grants).set({ userId: 77 }).where(row(saleId, 8)),
    found: [
      ["winner_differs", 8],
      ["coupon_differs", 8],
    ],
  },
  {
    what: "a row has another key",
    limit: 2,
    hurt: ({ db }, saleId) => db.update(grants).set({ keyHash: "other" }).where(row(saleId, 8)),
    found: [["winner_differs", 8]],
  },
  {
    what: "a row is returned and still held",
    hurt: ({ db }, saleId) =>
      db.update(grants).set({ returnedAt: new Date() }).where(row(saleId, 9)),
    found: [["row_invalid", 9]],
  },
  {
    what: "a row is void, and nobody has counted it",
    hurt: ({ db }, saleId) =>
      db
        .update(grants)
        .set({ userId: 0, userSlot: null, returnedAt: new Date(), state: "void" })
        .where(row(saleId, 10)),
    found: [["winner_unknown", 10], ["counters"], ["coupon_unknown", 10]],
  },
  {
    what: "a user is over the limit",
    hurt: ({ db }, saleId) => db.update(grants).set({ userSlot: 2 }).where(row(saleId, 11)),
    found: [
      ["over_limit", 11],
      ["winner_differs", 11],
    ],
  },
  {
    what: "Redis has granted less than MySQL has",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).sale, "granted", WINNERS - 2),
    found: [["counters"], ["number_unknown", 39, 40]],
  },
  {
    what: "Redis has granted more than there is",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).sale, "granted", WINNERS + 2),
    found: [["counters"], ["entries_lost"], ["number_missing", 41, 42]],
  },
  {
    what: "MySQL counts less than it has",
    hurt: ({ db }, saleId) =>
      db
        .update(sales)
        .set({ granted: WINNERS - 1 })
        .where(eq(sales.id, saleId)),
    found: [["counters"]],
  },
  {
    what: "a return is counted that never was",
    hurt: ({ redis, db }, saleId) =>
      Promise.all([
        redis.hset(saleKeys(saleId).sale, "returned", 1),
        db.update(sales).set({ returned: 1 }).where(eq(sales.id, saleId)),
      ]),
    found: [["counters"]],
  },
  {
    what: "the total is lowered in Redis alone",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).sale, "total", WINNERS - 1),
    found: [["sale_differs"], ["oversold"]],
  },
  {
    what: "a counter is no number",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).sale, "recorded", "many"),
    found: [["sale_broken"]],
  },
  {
    what: "the winners are no hash",
    hurt: ({ redis }, saleId) => redis.set(saleKeys(saleId).winners, "no hash"),
    found: [["unreadable"]],
  },
  {
    what: "the sale is no hash",
    hurt: ({ redis }, saleId) => redis.set(saleKeys(saleId).sale, "no hash"),
    found: [["unreadable"]],
  },
  {
    what: "the sale is gone from Redis",
    hurt: ({ redis }, saleId) => redis.del(saleKeys(saleId).sale),
    found: [["sale_missing"]],
  },
  {
    what: "a winner is lost",
    hurt: ({ redis }, saleId) => redis.hdel(saleKeys(saleId).winners, userOf(12)),
    found: [["counters"], ["winner_missing", 12]],
  },
  {
    what: "there is a winner too many, with somebody's number",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).winners, "5", "13"),
    found: [["counters"], ["winner_unknown", 13]],
  },
  {
    what: "one winner stands in the place of another",
    hurt: async ({ redis }, saleId) => {
      await redis.hdel(saleKeys(saleId).winners, userOf(14));
      await redis.hset(saleKeys(saleId).winners, "5", "14");
    },
    found: [["winner_differs", 14]],
  },
  {
    what: "two winners have changed their numbers",
    hurt: ({ redis }, saleId) =>
      redis.hset(saleKeys(saleId).winners, userOf(15), 16, userOf(16), 15),
    found: [["winner_differs", 15, 16]],
  },
  {
    what: "a winner cannot be read",
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).winners, userOf(17), "x"),
    found: [["winner_unknown"], ["winner_missing", 17]],
  },
  {
    what: "a user has one grant more than the rows say, within the limit",
    limit: 3,
    hurt: ({ redis }, saleId) => redis.hset(saleKeys(saleId).winners, userOf(1), "1:a,2:b,3:c"),
    found: [["winner_unknown", 3]],
  },
  {
    what: "there is a dead letter",
    hurt: async ({ db }, saleId) => {
      await db.delete(grants).where(row(saleId, 18));
      await db.insert(deadLetters).values({
        ...{ shard: shardOf(saleId), entryId: "5-0", saleId, grantNo: 18, reason: "Data too long" },
        payload: "{}",
      });
    },
    found: [
      ["dead_letters", 18],
      ["coupon_unknown", 18],
    ],
  },
  {
    what: "a backlog is hidden from readers",
    hurt: async ({ redis }, saleId) => {
      await redis.hset(saleKeys(saleId).sale, "recorded", WINNERS - 1);
    },
    found: [["counters"]],
  },
  ...couponDamages,
];
