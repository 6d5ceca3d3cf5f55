// Somebody's coupons with what their templates say and how many of each may still be used: what is calculated with.

import { and, count, eq, gt, inArray, or, sql } from "drizzle-orm";
import { mostOffAnyOrder } from "../coupons/most.ts";
import { coupons } from "../coupons/table.ts";
import type { Database } from "../db/client.ts";
import { factsOf, type TemplateRow } from "../templates/facts.ts";
import { templates } from "../templates/table.ts";
import type { Held } from "./order.ts";

/** A coupon by itself, as its row has it or is going to have it. */
export interface CouponFacts
  extends Pick<Held, "code" | "templateId" | "state" | "lockedUntil" | "validFrom" | "expiresAt"> {
  /** The order that has it locked. */
  readonly orderSn: string | null;
  /** What its lock holds of the template's budget. */
  readonly reserved: number;
  /** False: granted a moment ago, and not a row yet. */
  readonly recorded: boolean;
}

/** A coupon to calculate with, and what to show of it. */
export interface Found extends Held {
  readonly templateName: string;
  readonly recorded: boolean;
}

export interface Wallet {
  readonly found: readonly Found[];
  /** The instant that was looked at; undefined when nothing was found. */
  readonly at: Date | undefined;
}

/** Whose coupons, and for which order, if it has a number already. */
export interface Asked {
  readonly userId: number;
  readonly orderSn?: string | undefined;
}

/** The columns of what a coupon is by itself. */
export const factColumns = {
  code: coupons.code,
  templateId: coupons.templateId,
  state: sql<Held["state"]>`${coupons.state}`.as("state"),
  lockedUntil: coupons.lockedUntil,
  validFrom: coupons.validFrom,
  expiresAt: coupons.expiresAt,
  orderSn: coupons.orderSn,
  reserved: coupons.reserved,
};

/** A user's coupons of these codes that are rows; the others are left out. Throws MySQL's error. */
export async function readByCode(
  db: Database,
  userId: number,
  codes: readonly string[],
): Promise<CouponFacts[]> {
  if (codes.length === 0) return [];
  const named = and(eq(coupons.userId, userId), inArray(coupons.code, [...codes]));
  const rows = await db.select(factColumns).from(coupons).where(named);
  return rows.map((row) => ({ ...row, recorded: true }));
}

const readTemplates = (db: Database, ids: readonly number[]) =>
  db
    .select({ template: templates, now: sql`UTC_TIMESTAMP(3)`.mapWith(coupons.grantedAt) })
    .from(templates)
    .where(inArray(templates.id, [...ids]));

/**
 * How many coupons of each template with a limit the user has locked or used. A lock that has run out at the instant
 * counts no more.
 */
async function usesOf(
  db: Database,
  userId: number,
  all: readonly TemplateRow[],
  at: Date,
): Promise<Map<number, number>> {
  const limited = all.flatMap(({ id, userLimit }) => (userLimit === null ? [] : id));
  if (limited.length === 0) return new Map();
  const inUse = or(
    eq(coupons.state, "used"),
    and(eq(coupons.state, "locked"), gt(coupons.lockedUntil, at)),
  );
  const counted = await db
    .select({ templateId: coupons.templateId, uses: count() })
    .from(coupons)
    .where(and(eq(coupons.userId, userId), inArray(coupons.templateId, limited), inUse))
    .groupBy(coupons.templateId);
  return new Map(counted.map(({ templateId, uses }) => [templateId, uses]));
}

const runs = (
  { state, lockedUntil }: Pick<CouponFacts, "state" | "lockedUntil">,
  at: Date,
): boolean => state === "locked" && lockedUntil !== null && lockedUntil > at;

/** For how many coupons the budget has room, each with what a lock sets aside for it; `freed` is so already. */
function budgetUsesLeft(template: TemplateRow, freed: number): number | null {
  const { budget, budgetReserved, budgetSpent } = template;
  if (budget === null) return null;
  const { type, faceValue, basisPoints, discountMax } = factsOf(template);
  const each = mostOffAnyOrder({ type, faceValue, basisPoints, discountMax }, budget);
  return each === 0 ? null : Math.floor((budget - budgetReserved - budgetSpent + freed) / each);
}

/**
 * Joins coupons of a user with their templates, as they are at `asOf` or now by MySQL's clock; those whose template is
 * gone are left out. Throws MySQL's error.
 */
export async function heldOf(
  db: Database,
  { userId, orderSn: order }: Asked,
  held: readonly CouponFacts[],
  asOf?: Date,
): Promise<Wallet> {
  const byTemplate = Map.groupBy(held, ({ templateId }) => templateId);
  const read = byTemplate.size === 0 ? [] : await readTemplates(db, [...byTemplate.keys()]);
  const at = asOf ?? read[0]?.now;
  if (!at) return { found: [], at };
  const all = read.map(({ template }) => template);
  const uses = await usesOf(db, userId, all, at);
  const found = all.flatMap((template) => {
    const { id, name: templateName, state: _, userLimit, ...terms } = factsOf(template);
    const ofTemplate = byTemplate.get(id) ?? [];
    // A lock that ran out holds nothing any more, whether or not the budget's counters know it yet.
    const over = ofTemplate.filter((one) => one.state === "locked" && !runs(one, at));
    const freed = over.reduce((sum, { reserved }) => sum + reserved, 0);
    const room = {
      usesLeft: userLimit === null ? null : userLimit - (uses.get(id) ?? 0),
      budgetUsesLeft: budgetUsesLeft(template, freed),
    };
    return ofTemplate.map(({ orderSn, reserved: __, ...coupon }): Found => {
      const lockedByOrder = order !== undefined && orderSn === order && runs(coupon, at);
      return { ...coupon, templateName, terms, lockedByOrder, ...room };
    });
  });
  return { found, at };
}
