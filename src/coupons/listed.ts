// Pages of several users' coupons in one query. A wallet is what a client reads most often, so this is made for
// little work: the statement is put together from constants and whole numbers, and times stay the text that they
// come as.

import { type PooledDatabase, plainRows } from "../db/client.ts";
import type { CachedTemplate } from "../templates/cached.ts";
import type { Grant } from "../wallet/grants.ts";
import { type Coupon, inShort } from "./coupon.ts";
import { type CouponState, stateOf } from "./row.ts";

export interface Listing {
  readonly userId: number;
  readonly state: CouponState | undefined;
  /** Only what is listed behind this one; from the beginning without it. */
  readonly after: Grant | undefined;
  /** The newest so many. */
  readonly count: number;
  /** Whether these are rows already is told besides; at most `walletRecentGrantsMax`. */
  readonly recent: readonly Grant[];
}

export interface Listed {
  /** Newest first. */
  readonly rows: readonly ListedRow[];
  /** Those of `recent` that are rows: "<sale>/<number>". */
  readonly recorded: ReadonlySet<string>;
}

/** As the driver gives it: times are text in UTC. */
export interface ListedRow {
  readonly part: number;
  readonly code: string;
  readonly sale_id: number;
  readonly grant_no: number;
  readonly template_id: number;
  readonly state: string;
  readonly lapsed: number;
  readonly over: number;
  readonly valid_from: string | null;
  readonly expires_at: string | null;
  readonly granted_at: string;
  readonly order_sn: string | null;
  readonly locked_until: string | null;
  readonly original_amount: number | null;
  readonly discount_amount: number | null;
  readonly used_at: string | null;
}

export const nameOfGrant = ({ saleId, number }: Grant): string => `${saleId}/${number}`;

const LAPSED = "state = 'locked' AND locked_until <= UTC_TIMESTAMP(3)";
const OVER = "expires_at IS NOT NULL AND expires_at <= UTC_TIMESTAMP(3)";
const FREE = `(state = 'unused' OR (${LAPSED}))`;
const CONDITIONS: Readonly<Record<CouponState, string>> = {
  unused: `${FREE} AND NOT (${OVER})`,
  locked: "state = 'locked' AND locked_until > UTC_TIMESTAMP(3)",
  used: "state = 'used'",
  expired: `(state = 'expired' OR (${FREE} AND ${OVER}))`,
};
const COLUMNS = `code, sale_id, grant_no, template_id, state, (${LAPSED}) AS lapsed, (${OVER}) AS \`over\`,
  valid_from, expires_at, granted_at, order_sn, locked_until, original_amount, discount_amount, used_at`;

/** A number as it may stand in a statement. */
function whole(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error(`${value} is no whole number`);
  return String(value);
}

// Only the places, which are in the index on the user; what is shown of them is said once for all.
function pageSql({ userId, state, after, count }: Listing, part: number): string {
  const behind = after
    ? ` AND (sale_id < ${whole(after.saleId)}
        OR (sale_id = ${whole(after.saleId)} AND grant_no < ${whole(after.number)}))`
    : "";
  const inState = state === undefined ? "" : ` AND ${CONDITIONS[state]}`;
  return `(SELECT ${part} AS part, sale_id, grant_no FROM coupons WHERE user_id = ${whole(userId)}${behind}${inState}
    ORDER BY sale_id DESC, grant_no DESC LIMIT ${whole(count)})`;
}

function recentSql({ userId, recent }: Listing, part: number): string {
  const pairs = recent.map(({ saleId, number }) => `(${whole(saleId)}, ${whole(number)})`);
  return `(SELECT ${part} AS part, sale_id, grant_no FROM coupons
    WHERE user_id = ${whole(userId)} AND (sale_id, grant_no) IN (${pairs.join(", ")}))`;
}

/** What each listing asks for, in the same order. Throws MySQL's error. */
export async function readListings(
  db: PooledDatabase,
  listings: readonly Listing[],
): Promise<Listed[]> {
  const { length } = listings;
  const parts = listings.flatMap((listing, index) => {
    const page = pageSql(listing, index);
    return listing.recent.length === 0 ? [page] : [page, recentSql(listing, length + index)];
  });
  const found = parts.join(" UNION ALL ");
  const rows = await plainRows<ListedRow>(
    db,
    `SELECT part, ${COLUMNS} FROM (${found}) AS found STRAIGHT_JOIN coupons USING (sale_id, grant_no)`,
  );
  const pages = listings.map(() => ({ rows: [] as ListedRow[], recorded: new Set<string>() }));
  for (const row of rows) {
    if (row.part < length) pages[row.part]?.rows.push(row);
    else {
      const name = nameOfGrant({ saleId: row.sale_id, number: row.grant_no });
      pages[row.part - length]?.recorded.add(name);
    }
  }
  // Neither a UNION nor a join keeps an order.
  for (const page of pages) page.rows.sort(byNewest);
  return pages;
}

const byNewest = (a: ListedRow, b: ListedRow): number =>
  b.sale_id - a.sale_id || b.grant_no - a.grant_no;

/** "2027-01-01 20:00:00.000" as RFC 3339. */
const timeOf = (text: string | null): string | null =>
  text === null ? null : `${text.slice(0, 10)}T${text.slice(11)}Z`;

/** The view of a row; like `couponOf` in coupon.ts. */
export function couponOfListed(row: ListedRow, template: CachedTemplate): Coupon {
  const state = stateOf({ stored: row.state, lapsed: row.lapsed === 1, over: row.over === 1 });
  const ofOrder = state === "locked" || state === "used";
  return {
    code: row.code,
    state,
    recorded: true,
    saleId: row.sale_id,
    grantNo: row.grant_no,
    template: inShort(template),
    validFrom: timeOf(row.valid_from),
    expiresAt: timeOf(row.expires_at),
    grantedAt: timeOf(row.granted_at) as string,
    orderSn: ofOrder ? row.order_sn : null,
    lockedUntil: state === "locked" ? timeOf(row.locked_until) : null,
    originalAmount: row.original_amount,
    discountAmount: row.discount_amount,
    usedAt: timeOf(row.used_at),
  };
}
