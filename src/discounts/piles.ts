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
import type { Unrecorded } from "./granted.ts";
import { type Asked, type CouponFacts, factColumns } from "./held.ts";
import type { Order } from "./order.ts";
import { compareExpiry } from "./sequence.ts";

/** Own: the order has them locked; locked: another order has; early: not valid yet. */
type Standing = "own" | "free" | "early" | "locked";

export interface Pile {
  readonly templateId: number;
  readonly standing: Standing;
  /** Whether its coupons may apply to the order, as far as that can be told before it is looked at. */
  readonly mayApply: boolean;
  /** Those that expire first, at most `couponsPerOrderMax`. */
  readonly coupons: readonly CouponFacts[];
  /** How many more there are. */
  readonly more: number;
}

export interface Piles {
  /** At most `discountPilesMax`. */
  readonly piles: readonly Pile[];
  /** Whether there are more coupons than stand in these. */
  readonly hasMore: boolean;
  /** Whether some of those may apply to the order. */
  readonly lacksSome: boolean;
}

const standingOf = (ownLock: SQL | undefined): SQL<Standing> => sql`CASE
  WHEN ${ownLock ?? sql`FALSE`} THEN 'own'
  WHEN ${coupons.state} = 'locked' AND ${lockRuns} THEN 'locked'
  WHEN ${isEarly} THEN 'early'
  ELSE 'free' END`;

const totalOf = ({ items }: Order): number =>
  items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);

/** All open coupons of the user, each with its place in its pile and what is said of the pile. */
function seenBy(db: Database, { userId, orderSn }: Asked, order: Order) {
  const ownLock =
    orderSn === undefined
      ? undefined
      : and(eq(coupons.state, "locked"), eq(coupons.orderSn, orderSn), lockRuns);
  const standing = standingOf(ownLock);
  const pile = sql`PARTITION BY ${coupons.templateId}, ${standing}`;
  const mayApply = sql`${standing} IN ('own', 'free') AND ${templates.currency} = ${order.currency}
    AND ${templates.minimumSpend} <= ${totalOf(order)}`;
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
      const { templateId, standing, mayApply, count } = first;
      const more = count - rows.length;
      return [{ templateId, standing, mayApply, coupons: rows.map(factsOf), more }];
    }),
    hasMore: beyond.length > 0,
    lacksSome: beyond.some(([first]) => first?.mayApply),
  };
}

/** As rows are read: those first that may apply, of these those that expire first. */
function comparePiles(a: Pile, b: Pile): number {
  const [first, other] = [a.coupons[0], b.coupons[0]];
  const byUse = Number(b.mayApply) - Number(a.mayApply);
  return byUse || (first && other ? compareExpiry(first, other) : 0);
}

/**
 * Puts coupons that were granted a moment ago onto the piles that they belong to, or beside them, where they may push
 * out others: there are no more piles for it.
 */
export function withGranted(read: Piles, granted: Unrecorded, order: Order, now: Date): Piles {
  const all = new Map(read.piles.map((pile) => [nameOf(pile), pile]));
  const known = new Set(read.piles.flatMap((pile) => pile.coupons.map(({ code }) => code)));
  const total = totalOf(order);
  for (const { facts, currency, minimumSpend } of granted.coupons) {
    if (known.has(facts.code)) continue;
    const { templateId, validFrom } = facts;
    const standing = validFrom && validFrom > now ? "early" : "free";
    const mayApply = standing === "free" && currency === order.currency && minimumSpend <= total;
    const pile = all.get(nameOf({ templateId, standing }));
    const coupons = [...(pile?.coupons ?? []), facts].sort(compareExpiry);
    const listed = coupons.slice(0, limits.couponsPerOrderMax);
    const more = (pile?.more ?? 0) + coupons.length - listed.length;
    all.set(nameOf({ templateId, standing }), {
      ...{ templateId, standing, mayApply, coupons: listed, more },
    });
  }
  const piles = [...all.values()].sort(comparePiles);
  const beyond = piles.splice(limits.discountPilesMax);
  return {
    piles,
    hasMore: read.hasMore || granted.isCut || beyond.length > 0,
    lacksSome: read.lacksSome || granted.isCut || beyond.some(({ mayApply }) => mayApply),
  };
}
