// A user's coupons: what MySQL has, united with those of grants that it does not have yet, so that a coupon is
// listed right after its 201 on every process. Redis is asked first and MySQL afterwards: what is recorded in
// between is then seen twice, never not at all, and the row counts. Newest sale first, in one sale the latest grant
// first: an order that both know, and that recording does not change.

import type { PooledDatabase } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import type { CachedTemplate } from "../templates/cached.ts";
import { byNewest, type Grant } from "../wallet/grants.ts";
import { readRecentOrNone } from "../wallet/recent.ts";
import { type Coupon, couponOf } from "./coupon.ts";
import { type HistoryLine, type HistoryPage, readHistory } from "./history.ts";
import { couponOfListed, type Listed, type Listing, nameOfGrant, readListings } from "./listed.ts";
import type { Pending } from "./pending.ts";
import { type CouponState, readCoupons } from "./row.ts";
import { readWhole, type WholeCoupon } from "./whole.ts";

export interface CouponPage {
  readonly userId: number;
  readonly state?: CouponState | undefined;
  /** Sale and number of the last coupon of the page before. */
  readonly after?: Grant | undefined;
  readonly count: number;
}

export interface CouponWallet {
  /** The newest `count` of a user's coupons behind `after`. Without Redis, what MySQL has. Throws MySQL's error. */
  list(page: CouponPage): Promise<Coupon[]>;
  /** A user's coupon by its code in its one spelling. Throws MySQL's error, or RedisAway if MySQL does not have it. */
  find(userId: number, code: string): Promise<WholeCoupon | undefined>;
  /**
   * What has become of it, newest first; undefined when it is not one of the user's. Throws MySQL's error, or
   * RedisAway if MySQL does not have it.
   */
  history(userId: number, code: string, page: HistoryPage): Promise<HistoryLine[] | undefined>;
  /** True when it is one of the user's that MySQL may not have yet. Throws RedisAway. */
  isPending(userId: number, code: string): Promise<boolean>;
}

/**
 * The newest `walletRecentGrantsMax`, more than a page has. Only a page of one state, most of which it leaves out, may
 * miss an older one until MySQL has it.
 */
const newest = (grants: readonly Grant[]): readonly Grant[] =>
  grants.length <= limits.walletRecentGrantsMax
    ? grants
    : grants.toSorted(byNewest).slice(0, limits.walletRecentGrantsMax);

function listingOf({ userId, state, after, count }: CouponPage, grants: readonly Grant[]): Listing {
  const behind =
    after === undefined ? grants : grants.filter((grant) => byNewest(after, grant) < 0);
  return { userId, state, after, count, recent: newest(behind) };
}

/** A page as Redis and then MySQL know it. */
interface Read {
  readonly recent: readonly Grant[];
  readonly listed: Listed;
}

const grantOf = ({ saleId, grantNo }: Coupon): Grant => ({ saleId, number: grantNo });

interface CouponWalletDeps {
  readonly db: PooledDatabase;
  readonly redis: Redis;
  readonly pending: Pending;
  readonly templates: {
    peek(id: number): CachedTemplate | undefined;
    get(id: number): Promise<CachedTemplate | undefined>;
  };
}

export function createCouponWallet(deps: CouponWalletDeps): CouponWallet {
  const { db, redis, pending, templates } = deps;
  const pages = createGroupRead<CouponPage, Read>({
    requestsMax: limits.walletUsersPerReadMax,
    readsAtOnce: limits.walletReadsAtOnce,
    identityOf: (page) => page,
    async run(asked) {
      const userIds = asked.map(({ userId }) => String(userId));
      const grants = await readRecentOrNone(redis, userIds);
      const listings = asked.map((page, index) => listingOf(page, grants[index] ?? []));
      const listed = await readListings(db, listings);
      return listings.map(({ recent }, index) => ({ recent, listed: listed[index] as Listed }));
    },
  });

  /** The templates of these rows; one that is gone is left out. */
  async function templatesOf(rows: Listed["rows"]): Promise<Map<number, CachedTemplate>> {
    const found = new Map<number, CachedTemplate>();
    for (const { template_id: id } of rows) {
      if (found.has(id)) continue;
      const template = templates.peek(id) ?? (await templates.get(id));
      if (template) found.set(id, template);
    }
    return found;
  }

  async function pendingOf(userId: number, code: string): Promise<Coupon | undefined> {
    const coupons = await pending.couponsOf(userId, await pending.grants(userId));
    return coupons.find((coupon) => coupon.code === code);
  }

  const recorded = async (userId: number, code: string): Promise<Coupon | undefined> => {
    const [row] = await readCoupons(db, userId, [code]);
    return row && couponOf(row);
  };

  return {
    async list(page) {
      const { userId, state, count } = page;
      const { recent, listed } = await pages.read(page);
      const known = await templatesOf(listed.rows);
      const coupons = listed.rows.flatMap((row) => {
        const template = known.get(row.template_id);
        return template ? [couponOfListed(row, template)] : [];
      });
      const missing = recent.filter((grant) => !listed.recorded.has(nameOfGrant(grant)));
      if (missing.length === 0) return coupons;
      const unrecorded = (await pending.couponsOf(userId, missing)).filter(
        (coupon) => state === undefined || coupon.state === state,
      );
      const all = [...coupons, ...unrecorded];
      return all.sort((a, b) => byNewest(grantOf(a), grantOf(b))).slice(0, count);
    },

    async find(userId, code) {
      // Once more at the end: it may have been recorded between the first look and Redis's answer.
      const coupon =
        (await recorded(userId, code)) ??
        (await pendingOf(userId, code)) ??
        (await recorded(userId, code));
      return coupon && readWhole(db, coupon);
    },

    async history(userId, code, page) {
      const read = () => readHistory(db, userId, code, page);
      const found = await read();
      if (found) return found;
      return (await pendingOf(userId, code)) ? [] : read();
    },

    isPending: async (userId, code) => (await pendingOf(userId, code)) !== undefined,
  };
}
