// The coupons of one sale, held against its grants. A coupon is written in the transaction of its grant, and a change
// of a coupon in that of its history: so one statement, which sees one moment, sees the two agree, however much is
// going on. Looking twice is still better: what somebody is mending by hand needs no alarm.

import type { RowDataPacket } from "mysql2";
import type { CouponCodes } from "../coupons/code.ts";
import type { DatabasePool } from "../db/client.ts";
import { limits } from "../limits.ts";
import { readAhead } from "../pages.ts";
import type { Fault } from "./counters.ts";
import type { AuditDeps } from "./deps.ts";
import { buriedOf, type NumberFault } from "./inspect.ts";
import { Suspects } from "./suspects.ts";

/** The sale whose coupons are looked at. */
export interface CouponsOf {
  readonly id: number;
  readonly templateId: number;
  readonly codeKey: string;
}

/** A grant that somebody holds, and its coupon; all of it null where there is none. */
interface Row {
  readonly number: number;
  readonly userId: number;
  readonly owner: number | null;
  readonly code: string | null;
  readonly templateId: number | null;
  readonly state: string | null;
  /** What its history says was done last, or null; absent where the history was not asked. */
  readonly last?: string | null;
}

/** A coupon that should not be, and what its grant says. */
interface Ungranted {
  readonly number: number;
  readonly state: string | null;
}

const COLUMNS = `SELECT grants.grant_no AS number, grants.user_id AS userId, coupons.user_id AS owner,
    coupons.code, coupons.template_id AS templateId, coupons.state`;
const LAST_ACTION = `(SELECT action FROM coupon_usage_logs WHERE coupon_id = coupons.id
    ORDER BY id DESC LIMIT 1) AS last`;
const HELD = "grants.state = 'granted' AND grants.returned_at IS NULL";
// By the primary key, as in rows.ts.
const GRANTED = `FROM grants FORCE INDEX (PRIMARY) LEFT JOIN coupons
    ON coupons.sale_id = grants.sale_id AND coupons.grant_no = grants.grant_no
  WHERE grants.sale_id = ? AND ${HELD}`;

/** A grant that was given back needs no coupon; the one that it had may stay, if nobody can use it any more. */
const UNGRANTED = `SELECT coupons.grant_no AS number, grants.state
  FROM coupons LEFT JOIN grants
    ON grants.sale_id = coupons.sale_id AND grants.grant_no = coupons.grant_no
  WHERE coupons.sale_id = ? AND (grants.grant_no IS NULL OR grants.state = 'void'
    OR (grants.state = 'returned' AND coupons.state <> 'expired'))`;

const COUNTS = `SELECT (SELECT COUNT(*) FROM grants WHERE sale_id = ? AND ${HELD}) AS granted,
  (SELECT COUNT(*) FROM coupons WHERE sale_id = ?) AS coupons`;

/** What the history of a coupon in this state ends with; null where it has none. */
const LAST: Readonly<Record<string, readonly (string | null)[]>> = {
  unused: [null, "unlock", "revert", "lapse"],
  ...{ locked: ["lock", "confirm"], used: ["use", "confirm"], expired: ["expire"] },
};

const REPAIR = "doorbuster coupons repair makes it";

async function query<Found extends object>(
  { pool }: DatabasePool,
  text: string,
  values: (number | readonly number[])[],
): Promise<Found[]> {
  const [rows] = await pool.promise().query<(Found & RowDataPacket)[]>(text, values);
  return rows;
}

/** In what a coupon is not what its grant says. A code is not told: whoever has it can use it. */
function difference(row: Row, sale: CouponsOf, codes: CouponCodes | undefined): string | undefined {
  const { number, userId, owner, code, templateId } = row;
  if (owner !== userId) return `is user ${owner}'s, and the grant user ${userId}'s`;
  if (templateId !== sale.templateId) {
    return `is of template ${templateId}, and the sale of ${sale.templateId}`;
  }
  const made = codes?.codeOf(sale.codeKey, sale.id, number, userId) ?? code;
  return made === code ? undefined : "has another code than its own";
}

/** What is wrong with the coupon of one grant. */
function faultsOf(row: Row, sale: CouponsOf, codes: CouponCodes | undefined): Fault[] {
  const { number, userId, state, last } = row;
  if (state === null) {
    return [
      {
        kind: "coupon_missing",
        text: `number ${number} of user ${userId} has no coupon; ${REPAIR}`,
      },
    ];
  }
  const faults: Fault[] = [];
  const fault = (kind: Fault["kind"], text: string) =>
    faults.push({ kind, text: `the coupon of number ${number} ${text}` });
  const differs = difference(row, sale, codes);
  if (differs !== undefined) fault("coupon_differs", differs);
  if (last !== undefined && !LAST[state]?.includes(last)) {
    const history = last === null ? "it has no history" : `its history ends with "${last}"`;
    fault("coupon_state", `is ${state}, and ${history}`);
  }
  return faults;
}

/**
 * Looks at the coupons of these numbers, with `history` also at what has become of them. A coupon that is missing
 * because it became a dead letter is reported as that. Throws when a server does not answer.
 */
export async function inspectCoupons(
  deps: AuditDeps,
  sale: CouponsOf,
  numbers: Iterable<number>,
  { history }: { history: boolean },
): Promise<NumberFault[]> {
  const columns = history ? `${COLUMNS}, ${LAST_ACTION}` : COLUMNS;
  const all = [...numbers];
  const faults: NumberFault[] = [];
  for (let at = 0; at < all.length; at += limits.auditInspectedAtOnce) {
    const some = all.slice(at, at + limits.auditInspectedAtOnce);
    faults.push(...(await lookAt(deps, sale, some, columns)));
  }
  return faults;
}

async function lookAt(
  deps: AuditDeps,
  sale: CouponsOf,
  numbers: readonly number[],
  columns: string,
): Promise<NumberFault[]> {
  const { pool, codes } = deps;
  const text = `${columns} ${GRANTED} AND grants.grant_no IN (?)`;
  const rows = await query<Row>(pool, text, [sale.id, numbers]);
  const found = rows.flatMap((row) =>
    faultsOf(row, sale, codes).map((fault) => ({ ...fault, number: row.number })),
  );
  const lost = found.filter(({ kind }) => kind === "coupon_missing").map(({ number }) => number);
  const buried = lost.length > 0 ? await buriedOf(deps, sale.id, lost) : new Set();
  const granted = new Set(rows.map(({ number }) => number));
  const ungranted = numbers.filter((number) => !granted.has(number));
  const extra =
    ungranted.length > 0
      ? await query<Ungranted>(pool, `${UNGRANTED} AND coupons.grant_no IN (?)`, [
          ...[sale.id, ungranted],
        ])
      : [];
  return [
    ...found.filter(({ kind, number }) => kind !== "coupon_missing" || !buried.has(number)),
    ...extra.map(({ number, state }) => ({
      ...{ kind: "coupon_unknown" as const, number },
      text: `there is a coupon of number ${number}, and ${
        state === null || state === "void" ? "no grant" : "its grant was given back"
      }`,
    })),
  ];
}

/** The numbers whose coupons look wrong: all grants, page by page, and then the coupons that have none. */
export async function suspectCoupons(deps: AuditDeps, sale: CouponsOf): Promise<Suspects> {
  const { pool, codes, progress } = deps;
  const suspects = new Suspects();
  const size = limits.auditRowsPerPage;
  const after = (number: number) =>
    query<Row>(
      pool,
      `${COLUMNS}, ${LAST_ACTION} ${GRANTED} AND grants.grant_no > ? ORDER BY grants.grant_no LIMIT ?`,
      [sale.id, number, size],
    );
  const pages = readAhead(
    () => after(-1),
    (page) => (page.length < size ? undefined : after(page.at(-1)?.number ?? 0)),
  );
  let seen = 0;
  for await (const page of pages) {
    for (const row of page) if (faultsOf(row, sale, codes).length > 0) suspects.add(row.number);
    seen += page.length;
    progress?.(`sale ${sale.id}: ${seen} coupons`);
  }
  const [counts] = await query<{ granted: number; coupons: number }>(pool, COUNTS, [
    ...[sale.id, sale.id],
  ]);
  if (suspects.empty && counts?.granted === counts?.coupons) return suspects;
  const extra = await query<{ number: number }>(pool, `${UNGRANTED} LIMIT ?`, [
    ...[sale.id, limits.auditSuspectsMax],
  ]);
  for (const { number } of extra) suspects.add(number);
  return suspects;
}
