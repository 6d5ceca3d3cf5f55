// A user's coupons that are neither used nor over, in piles: those of one template that stand alike do the same to an
// order, so of each pile only as many are read as one order can use, those that expire first. A wallet of hundreds
// is then a few dozen rows, and none of what is left out could make a better combination.
//
// Piles that may apply to the order come first, so that what is beyond the bound on piles is what cannot: in another
// currency, with a minimum above the whole order, locked by another order, not valid yet.

import { and, asc, desc, eq, inArray, lte, or, type SQL, sql } from "drizzle-orm";
import { isEarly, isOver, lockRuns } from "../coupons/row.ts";
import { coupons } from "../coupons/table.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { templates } from "../templates/table.ts";
import { type Asked, type CouponFacts, factColumns } from "./held.ts";
import type { Order } from "./order.ts";
import { compareExpiry } from "./sequence.ts";

/** Own: the order has them locked; locked: another order has; early: not valid yet. */
type Standing = "own" | "free" | "early" | "locked";

export interface Pile {
  readonly templateId: number;
  readonly standing: Standing;
  /** Those that expire first, at most `couponsPerOrderMax`. */
  readonly coupons: readonly CouponFacts[];
  /** How many more there are. */
  readonly more: number;
}

export interface Piles {
  /** At most `discountPilesMax`. */
  readonly piles: readonly Pile[];
  /** Whether there are more piles. */
  readonly hasMore: boolean;
  /** Whether one of those may apply to the order. */
  readonly lacksSome: boolean;
}

const standingOf = (ownLock: SQL | undefined): SQL<Standing> => sql`CASE
  WHEN ${ownLock ?? sql`FALSE`} THEN 'own'
  WHEN ${coupons.state} = 'locked' AND ${lockRuns} THEN 'locked'
  WHEN ${isEarly} THEN 'early'
  ELSE 'free' END`;

/** All open coupons of the user, each with its place in its pile and what is said of the pile. */
function seenBy(db: Database, { userId, orderSn }: Asked, { currency, items }: Order) {
  const ownLock =
    orderSn === undefined
      ? undefined
      : and(eq(coupons.state, "locked"), eq(coupons.orderSn, orderSn), lockRuns);
  const standing = standingOf(ownLock);
  const pile = sql`PARTITION BY ${coupons.templateId}, ${standing}`;
  const total = items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);
  const mayApply = sql`${standing} IN ('own', 'free') AND ${templates.currency} = ${currency}
    AND ${templates.minimumSpend} <= ${total}`;
  return db
    .select({
      ...factColumns,
      standing: standing.as("standing"),
      mayApply: sql`IF(${mayApply}, 1, 0)`.mapWith(Boolean).as("may_apply"),
      place:
        sql`ROW_NUMBER() OVER (${pile} ORDER BY ${coupons.expiresAt} IS NULL, ${coupons.expiresAt}, ${coupons.code})`
          .mapWith(Number)
          .as("place"),
      count: sql`COUNT(*) OVER (${pile})`.mapWith(Number).as("pile_count"),
      firstEnd: sql`MIN(${coupons.expiresAt}) OVER (${pile})`.as("first_end"),
    })
    .from(coupons)
    .innerJoin(templates, eq(templates.id, coupons.templateId))
    .where(
      and(
        eq(coupons.userId, userId),
        inArray(coupons.state, ["unused", "locked"]),
        or(sql`NOT ${isOver}`, ownLock),
      ),
    )
    .as("seen");
}

/** The first places of each pile, of one pile more than are looked at if there is one. */
function readSeen(db: Database, asked: Asked, order: Order) {
  const seen = seenBy(db, asked, order);
  return db
    .select()
    .from(seen)
    .where(lte(seen.place, limits.couponsPerOrderMax))
    .orderBy(
      desc(seen.mayApply),
      sql`${seen.firstEnd} IS NULL`,
      asc(seen.firstEnd),
      asc(seen.templateId),
      asc(seen.standing),
      asc(seen.place),
    )
    .limit((limits.discountPilesMax + 1) * limits.couponsPerOrderMax);
}

type Seen = Awaited<ReturnType<typeof readSeen>>[number];

function factsOf(seen: Seen): CouponFacts {
  const { standing: _, mayApply: __, place: ___, count: ____, firstEnd: _____, ...facts } = seen;
  return { ...facts, recorded: true };
}

const nameOf = ({ templateId, standing }: Pick<Pile, "templateId" | "standing">): string =>
  `${templateId} ${standing}`;

/** A user's open coupons for an order; what the order has locked is not over before its lock. Throws MySQL's error. */
export async function readPiles(db: Database, asked: Asked, order: Order): Promise<Piles> {
  const groups = [...Map.groupBy(await readSeen(db, asked, order), nameOf).values()];
  const beyond = groups.slice(limits.discountPilesMax);
  return {
    piles: groups.slice(0, limits.discountPilesMax).flatMap((rows): Pile[] => {
      const [first] = rows;
      if (!first) return [];
      const { templateId, standing, count } = first;
      return [{ templateId, standing, coupons: rows.map(factsOf), more: count - rows.length }];
    }),
    hasMore: beyond.length > 0,
    lacksSome: beyond.some(([first]) => first?.mayApply),
  };
}

/** Puts coupons that were granted a moment ago onto the piles that they belong to, or beside them. */
export function withGranted(
  piles: readonly Pile[],
  granted: readonly CouponFacts[],
  now: Date,
): Pile[] {
  const all = new Map(piles.map((pile) => [nameOf(pile), pile]));
  const known = new Set(piles.flatMap((pile) => pile.coupons.map(({ code }) => code)));
  for (const coupon of granted) {
    if (known.has(coupon.code)) continue;
    const { templateId, validFrom } = coupon;
    const standing = validFrom && validFrom > now ? "early" : "free";
    const pile = all.get(nameOf({ templateId, standing }));
    const coupons = [...(pile?.coupons ?? []), coupon].sort(compareExpiry);
    const listed = coupons.slice(0, limits.couponsPerOrderMax);
    const more = (pile?.more ?? 0) + coupons.length - listed.length;
    all.set(nameOf({ templateId, standing }), { templateId, standing, coupons: listed, more });
  }
  return [...all.values()];
}
