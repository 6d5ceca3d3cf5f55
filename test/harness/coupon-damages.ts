// Ways to damage the coupons of one sale, each with the findings that the audit must come to.

import { and, eq } from "drizzle-orm";
import { coupons, couponUsageLogs, templateUsers } from "../../src/coupons/table.ts";
import type { Database } from "../../src/db/client.ts";
import { deadLetters } from "../../src/ledger/table.ts";
import { shardOf } from "../../src/redis/keys.ts";
import { sales } from "../../src/sales/table.ts";
import { templates } from "../../src/templates/table.ts";
import type { Damage } from "./damages.ts";

/** The coupon of a number. */
export const coupon = (saleId: number, number: number) =>
  and(eq(coupons.saleId, saleId), eq(coupons.grantNo, number));

type Fields = Partial<typeof coupons.$inferInsert>;

const change = (db: Database, saleId: number, number: number, fields: Fields) =>
  db.update(coupons).set(fields).where(coupon(saleId, number));

async function couponOf(db: Database, saleId: number, number: number) {
  const [found] = await db.select().from(coupons).where(coupon(saleId, number));
  if (!found) throw new Error(`number ${number} of sale ${saleId} has no coupon`);
  return found;
}

/** Gives the sale a template of its own, so that what it counts is about this sale; gives the template's id. */
async function ownTemplate(
  db: Database,
  saleId: number,
  fields: Partial<typeof templates.$inferInsert> = {},
): Promise<number> {
  const id = 1_000_000 + saleId;
  const row = { id, sellerId: 1, name: "own", description: "", faceValue: 500, ...fields };
  await db.insert(templates).values(row);
  await db.update(sales).set({ templateId: id }).where(eq(sales.id, saleId));
  await db.update(coupons).set({ templateId: id }).where(eq(coupons.saleId, saleId));
  return id;
}

/** Uses number 20, all but what `without` names. */
async function use(db: Database, saleId: number, without?: "log" | "held" | "spent") {
  const spent = without === "spent" ? 0 : 300;
  const templateId = await ownTemplate(db, saleId, { budget: 1_000, budgetSpent: spent });
  const { id, userId } = await couponOf(db, saleId, 20);
  await change(db, saleId, 20, { state: "used", orderSn: "A", reserved: 300, usedAt: new Date() });
  const log = { couponId: id, orderSn: "A", actor: `user:${userId}`, at: new Date() };
  await db.insert(couponUsageLogs).values({ ...log, action: "lock" });
  if (without !== "log") await db.insert(couponUsageLogs).values({ ...log, action: "use" });
  if (without !== "held") await db.insert(templateUsers).values({ templateId, userId, held: 1 });
}

export const couponDamages: readonly Damage[] = [
  {
    what: "a coupon is deleted",
    hurt: ({ db }, saleId) => db.delete(coupons).where(coupon(saleId, 5)),
    found: [["coupon_missing", 5]],
  },
  {
    what: "the last coupons are deleted",
    hurt: async ({ db }, saleId) => {
      for (const number of [39, 40]) await db.delete(coupons).where(coupon(saleId, number));
    },
    found: [["coupon_missing", 39, 40]],
  },
  {
    what: "a coupon is there once more, under another number",
    hurt: async ({ db }, saleId) => {
      const { id: _, ...rest } = await couponOf(db, saleId, 6);
      await db.insert(coupons).values({ ...rest, grantNo: 99, code: `${saleId}-99` });
    },
    found: [["coupon_unknown", 99]],
  },
  {
    what: "a coupon has moved to another number",
    hurt: ({ db }, saleId) => change(db, saleId, 7, { grantNo: 98 }),
    found: [
      ["coupon_missing", 7],
      ["coupon_unknown", 98],
    ],
  },
  {
    what: "a coupon is another user's",
    hurt: ({ db }, saleId) => change(db, saleId, 8, { userId: 77 }),
    found: [["coupon_differs", 8]],
  },
  {
    what: "a coupon has another code",
    hurt: ({ db }, saleId) => change(db, saleId, 9, { code: `${saleId}-9` }),
    found: [["coupon_differs", 9]],
  },
  {
    what: "two coupons have each other's codes",
    limit: 2,
    hurt: async ({ db }, saleId) => {
      const codes = [await couponOf(db, saleId, 10), await couponOf(db, saleId, 11)];
      await change(db, saleId, 10, { code: `${saleId}-10` });
      await change(db, saleId, 11, { code: codes[0]?.code });
      await change(db, saleId, 10, { code: codes[1]?.code });
    },
    found: [["coupon_differs", 10, 11]],
  },
  {
    what: "a coupon is of another template",
    hurt: ({ db }, saleId) => change(db, saleId, 12, { templateId: 2 }),
    found: [["coupon_differs", 12]],
  },
  {
    what: "a coupon could not be written, and a dead letter says so",
    hurt: async ({ db }, saleId) => {
      await db.delete(coupons).where(coupon(saleId, 13));
      await db.insert(deadLetters).values({
        ...{ shard: shardOf(saleId), entryId: "6-0", saleId, grantNo: 13, payload: "{}" },
        reason: "its coupon: Data too long",
      });
    },
    found: [["dead_letters", 13]],
  },
  { what: "nothing, and a coupon is used", hurt: ({ db }, saleId) => use(db, saleId), found: [] },
  {
    what: "a coupon is used, and its history does not say so",
    hurt: ({ db }, saleId) => use(db, saleId, "log"),
    found: [["coupon_state", 20]],
  },
  {
    what: "a coupon is unused, and its history ends with its use",
    hurt: async ({ db }, saleId) => {
      const { id: couponId } = await couponOf(db, saleId, 21);
      const log = { couponId, action: "use", actor: "user:1", at: new Date() };
      await db.insert(couponUsageLogs).values(log);
    },
    found: [["coupon_state", 21]],
  },
  {
    what: "a coupon is in a state that nobody knows",
    hurt: ({ db }, saleId) => change(db, saleId, 22, { state: "lost" }),
    found: [["coupon_state", 22]],
  },
  {
    what: "a coupon is used, and its user's limit has not counted it",
    hurt: ({ db }, saleId) => use(db, saleId, "held"),
    found: [["coupon_counters"]],
  },
  {
    what: "a coupon is used, and its template's budget has not counted it",
    hurt: ({ db }, saleId) => use(db, saleId, "spent"),
    found: [["coupon_counters"]],
  },
  {
    what: "budget is set aside, and no coupon is locked",
    hurt: ({ db }, saleId) => ownTemplate(db, saleId, { budget: 900, budgetReserved: 300 }),
    found: [["coupon_counters"]],
  },
];
