// Somebody's coupons as MySQL has them, with what their templates say and how many of each may still be used.

import { and, asc, count, eq, inArray, or, type SQL, sql } from "drizzle-orm";
import { mostOffAnyOrder } from "../coupons/most.ts";
import { isOver, lockRuns } from "../coupons/row.ts";
import { coupons } from "../coupons/table.ts";
import type { Database } from "../db/client.ts";
import { factsOf, type TemplateRow } from "../templates/facts.ts";
import { templates } from "../templates/table.ts";
import type { Held } from "./order.ts";

/** A coupon to calculate with, and what to show of it. */
export interface Found extends Held {
  readonly templateName: string;
}

export interface Wallet {
  readonly found: readonly Found[];
  /** The time by MySQL's clock; undefined when nothing was found. */
  readonly now: Date | undefined;
}

/** Whose coupons, and for which order, if it has a number already. */
export interface Asked {
  readonly userId: number;
  readonly orderSn?: string | undefined;
}

const columns = {
  code: coupons.code,
  state: sql<Held["state"]>`${coupons.state}`,
  lockedUntil: coupons.lockedUntil,
  validFrom: coupons.validFrom,
  expiresAt: coupons.expiresAt,
  orderSn: coupons.orderSn,
  reserved: coupons.reserved,
  template: templates,
  now: sql`UTC_TIMESTAMP(3)`.mapWith(coupons.grantedAt),
};

const select = (db: Database, where: SQL | undefined) =>
  db
    .select(columns)
    .from(coupons)
    .innerJoin(templates, eq(templates.id, coupons.templateId))
    .where(where);

type Row = Awaited<ReturnType<typeof select>>[number];

/** How many coupons of each template with a limit the user has locked or used. A lock that ran out counts no more. */
async function usesOf(
  db: Database,
  userId: number,
  rows: readonly Row[],
): Promise<Map<number, number>> {
  const limited = rows.flatMap(({ template }) => (template.userLimit === null ? [] : template.id));
  if (limited.length === 0) return new Map();
  const inUse = or(eq(coupons.state, "used"), and(eq(coupons.state, "locked"), lockRuns));
  const counted = await db
    .select({ templateId: coupons.templateId, uses: count() })
    .from(coupons)
    .where(
      and(eq(coupons.userId, userId), inArray(coupons.templateId, [...new Set(limited)]), inUse),
    )
    .groupBy(coupons.templateId);
  return new Map(counted.map(({ templateId, uses }) => [templateId, uses]));
}

const runs = ({ state, lockedUntil, now }: Row): boolean =>
  state === "locked" && lockedUntil !== null && lockedUntil > now;

/** For how many coupons the budget has room, each with what a lock sets aside for it; `freed` is so already. */
function budgetUsesLeft(template: TemplateRow, freed: number): number | null {
  const { budget, budgetReserved, budgetSpent } = template;
  if (budget === null) return null;
  const { type, faceValue, basisPoints, discountMax } = factsOf(template);
  const each = mostOffAnyOrder({ type, faceValue, basisPoints, discountMax }, budget);
  return each === 0 ? null : Math.floor((budget - budgetReserved - budgetSpent + freed) / each);
}

async function walletOf(
  db: Database,
  { userId, orderSn: order }: Asked,
  rows: readonly Row[],
): Promise<Wallet> {
  const uses = await usesOf(db, userId, rows);
  // A lock that ran out holds nothing any more, whether or not the budget's counters know it yet.
  const lapsed = Map.groupBy(
    rows.filter((row) => row.state === "locked" && !runs(row)),
    ({ template }) => template.id,
  );
  const found = rows.map((row): Found => {
    const { template, now: _, orderSn, reserved: __, ...coupon } = row;
    const { id, name, state: ___, userLimit, ...terms } = factsOf(template);
    const freed = (lapsed.get(id) ?? []).reduce((sum, { reserved }) => sum + reserved, 0);
    return {
      ...coupon,
      lockedByOrder: order !== undefined && orderSn === order && runs(row),
      ...{ templateId: id, templateName: name, terms },
      usesLeft: userLimit === null ? null : userLimit - (uses.get(id) ?? 0),
      budgetUsesLeft: budgetUsesLeft(template, freed),
    };
  });
  return { found, now: rows[0]?.now };
}

/** A user's coupons of these codes; codes that the user does not have are left out. Throws MySQL's error. */
export async function readByCode(
  db: Database,
  asked: Asked,
  codes: readonly string[],
): Promise<Wallet> {
  if (codes.length === 0) return { found: [], now: undefined };
  const named = and(eq(coupons.userId, asked.userId), inArray(coupons.code, [...codes]));
  return walletOf(db, asked, await select(db, named));
}

/**
 * A user's coupons that are not used up or over, those that expire first, at most `most`; what the order has locked
 * is not over before its lock. Throws MySQL's error.
 */
export async function readOpen(db: Database, asked: Asked, most: number): Promise<Wallet> {
  const { userId, orderSn } = asked;
  const ownLock =
    orderSn === undefined
      ? undefined
      : and(eq(coupons.state, "locked"), eq(coupons.orderSn, orderSn), lockRuns);
  const open = and(
    eq(coupons.userId, userId),
    inArray(coupons.state, ["unused", "locked"]),
    or(sql`NOT ${isOver}`, ownLock),
  );
  const rows = await select(db, open)
    .orderBy(
      sql`${coupons.expiresAt} IS NULL`,
      asc(coupons.expiresAt),
      asc(coupons.saleId),
      asc(coupons.grantNo),
    )
    .limit(most);
  return walletOf(db, asked, rows);
}
