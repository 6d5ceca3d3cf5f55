// Coupons of grants that MySQL may not have yet: what they are follows from the sale and the number, so they are
// shown before they are rows. Readings are shared by requests (redis/group.ts).

import { inArray } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import { sales } from "../sales/table.ts";
import type { CachedTemplate } from "../templates/cached.ts";
import { timeOf } from "../time.ts";
import type { Grant } from "../wallet/grants.ts";
import { readRecent } from "../wallet/recent.ts";
import type { CouponCodes } from "./code.ts";
import { type Coupon, inShort } from "./coupon.ts";

export interface Pending {
  /** The user's grants that MySQL may not have. Throws RedisAway. */
  grants(userId: number): Promise<readonly Grant[]>;
  /**
   * The coupons that these grants of a user are going to be, in the same order; a sale, template or secret that is
   * gone leaves its grants out.
   */
  couponsOf(userId: number, grants: readonly Grant[]): Promise<Coupon[]>;
}

/** What never changes about a sale. */
interface Origin {
  readonly templateId: number;
  readonly codeKey: string;
}

const DAY_MS = 86_400_000;

export interface PendingDeps {
  readonly redis: Redis;
  readonly db: Database;
  readonly codes: Pick<CouponCodes, "codeOf">;
  readonly templates: { get(id: number): Promise<CachedTemplate | undefined> };
  readonly clock: Clock;
}

/** The same rules by which the ledger makes the row; until then "granted" is now, to within the backlog. */
function unrecordedCoupon(
  code: string,
  { saleId, number }: Grant,
  template: CachedTemplate,
  now: number,
): Coupon {
  const { validFrom, validUntil, validDays } = template;
  const expires = validUntil ?? (validDays === null ? null : now + validDays * DAY_MS);
  return {
    ...{ code, state: expires !== null && expires <= now ? "expired" : "unused" },
    ...{ recorded: false, saleId, grantNo: number, template: inShort(template) },
    ...{ validFrom: timeOf(validFrom), expiresAt: timeOf(expires) },
    grantedAt: new Date(now).toISOString(),
    ...{ orderSn: null, lockedUntil: null, originalAmount: null, discountAmount: null },
    usedAt: null,
  };
}

export function createPending({ redis, db, codes, templates, clock }: PendingDeps): Pending {
  const origins = new LRUCache<number, Origin>({ max: limits.cacheSalesMax });
  const recent = createGroupRead<number, readonly Grant[]>({
    requestsMax: limits.walletUsersPerReadMax,
    readsAtOnce: limits.walletReadsAtOnce,
    identityOf: (userId) => userId,
    run: (userIds) => readRecent(redis, userIds.map(String)),
  });

  async function learnOrigins(saleIds: readonly number[]): Promise<void> {
    const unknown = [...new Set(saleIds)].filter((id) => !origins.has(id));
    if (unknown.length === 0) return;
    const rows = await db
      .select({ id: sales.id, templateId: sales.templateId, codeKey: sales.codeKey })
      .from(sales)
      .where(inArray(sales.id, unknown));
    for (const { id, ...origin } of rows) origins.set(id, origin);
  }

  return {
    grants: (userId) => recent.read(userId),

    async couponsOf(userId, grants) {
      if (grants.length === 0) return [];
      await learnOrigins(grants.map(({ saleId }) => saleId));
      const made = await Promise.all(
        grants.map(async (grant) => {
          const origin = origins.get(grant.saleId);
          if (!origin) return [];
          const code = codes.codeOf(origin.codeKey, grant.saleId, grant.number, userId);
          const template = await templates.get(origin.templateId);
          if (code === undefined || !template) return [];
          return [unrecordedCoupon(code, grant, template, clock.now())];
        }),
      );
      return made.flat();
    },
  };
}
