// Coupons that were granted a moment ago and that MySQL does not have yet. They can be calculated with like any other:
// what they are going to be is known. Only a lock has to wait for the row.

import { and, eq, inArray } from "drizzle-orm";
import type { Coupon } from "../coupons/coupon.ts";
import type { Pending } from "../coupons/pending.ts";
import { coupons } from "../coupons/table.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { RedisAway } from "../redis/reading.ts";
import { byNewest, type Grant } from "../wallet/grants.ts";
import type { CouponFacts } from "./held.ts";

/** A coupon that is not a row yet, with what its template demands of an order. */
interface Unwritten {
  readonly facts: CouponFacts;
  readonly currency: string;
  readonly minimumSpend: number;
}

export interface Unrecorded {
  readonly coupons: readonly Unwritten[];
  /** Whether the user may have more of them: not all grants were looked at. */
  readonly isCut: boolean;
}

export interface Granted {
  /** Those of these codes that are grants of the user, recorded or not. Throws MySQL's error, or RedisAway. */
  named(userId: number, codes: readonly string[]): Promise<CouponFacts[]>;
  /**
   * Those of the user that MySQL does not have and that are not over, of the newest `walletRecentGrantsMax`; without
   * Redis none. Throws MySQL's error.
   */
  unrecorded(userId: number): Promise<Unrecorded>;
}

const timeOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

const factsOf = ({ code, template, state, validFrom, expiresAt }: Coupon): CouponFacts => ({
  ...{ code, templateId: template.id, state, recorded: false },
  ...{ validFrom: timeOf(validFrom), expiresAt: timeOf(expiresAt) },
  ...{ orderSn: null, lockedUntil: null, reserved: 0 },
});

/** Without Redis nobody knows of any. */
async function noneIfAway(grants: Promise<readonly Grant[]>): Promise<readonly Grant[]> {
  try {
    return await grants;
  } catch (error) {
    if (error instanceof RedisAway) return [];
    throw error;
  }
}

export function createGranted({ db, pending }: { db: Database; pending: Pending }): Granted {
  /** The codes that are rows. */
  async function recordedOf(userId: number, codes: readonly string[]): Promise<Set<string>> {
    const rows = await db
      .select({ code: coupons.code })
      .from(coupons)
      .where(and(eq(coupons.userId, userId), inArray(coupons.code, [...codes])));
    return new Set(rows.map(({ code }) => code));
  }

  return {
    async named(userId, codes) {
      if (codes.length === 0) return [];
      const all = await pending.couponsOf(userId, await pending.grants(userId));
      return all.filter(({ code }) => codes.includes(code)).map(factsOf);
    },

    async unrecorded(userId) {
      const grants = await noneIfAway(pending.grants(userId));
      const newest = grants.toSorted(byNewest).slice(0, limits.walletRecentGrantsMax);
      const isCut = newest.length < grants.length;
      const all = await pending.couponsOf(userId, newest);
      if (all.length === 0) return { coupons: [], isCut };
      const recorded = await recordedOf(
        userId,
        all.map(({ code }) => code),
      );
      const left = all.filter(({ code, state }) => state !== "expired" && !recorded.has(code));
      const unwritten = left.map((coupon): Unwritten => {
        const { currency, minimumSpend } = coupon.template;
        return { facts: factsOf(coupon), currency, minimumSpend };
      });
      return { coupons: unwritten, isCut };
    },
  };
}
