// The changes of a coupon in MySQL. Each is one UPDATE that names the state the coupon must be in, and the order, the
// owner and the time by MySQL's clock where they matter: of any number of parallel changes one finds the coupon as it
// demands, and the others find nothing. Each that changes something leaves a row in coupon_usage_logs.

import { and, type Column, eq, isNull, type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../db/client.ts";
import { secondsFromNow } from "../db/columns.ts";
import type { Step } from "./plan.ts";
import { type CouponRow, isAt, isEarly, isOver, lockRanOut, lockRuns } from "./row.ts";
import { coupons, couponUsageLogs } from "./table.ts";

const FREE = {
  state: "unused",
  orderSn: null,
  byService: false,
  lockedUntil: null,
  reserved: 0,
  originalAmount: null,
  discountAmount: null,
  usedAt: null,
} as const;

const isState = (state: string) => eq(coupons.state, state);
const canBeTaken = [isState("unused"), sql`NOT ${isOver}`, sql`NOT ${isEarly}`];

const isStill = (column: Column, read: Date | string | null): SQL =>
  read === null ? isNull(column) : eq(column, read);

/**
 * The lock or the use that was read, and not a later one, of whichever order: what is given back is what that one
 * has counted, and the history tells of that one.
 */
const asRead = ({ stored, orderSn, lockedUntil, usedAt, reserved }: CouponRow): SQL[] => [
  isState(stored),
  isStill(coupons.orderSn, orderSn),
  isStill(coupons.lockedUntil, lockedUntil),
  isStill(coupons.usedAt, usedAt),
  eq(coupons.reserved, reserved),
];

/** The coupon as it was read, and a lock that ran then still runs. */
const inStateAsRead = (row: CouponRow): SQL[] =>
  row.stored === "locked" && !row.lapsed ? [...asRead(row), lockRuns] : asRead(row);

/** The order that a step is taken for; `byService` when a service asks for it, and not the owner. */
interface Taker {
  readonly orderSn: string;
  readonly byService: boolean;
}

/** What a step demands of the row, and what it writes. */
function updateOf(
  row: CouponRow,
  step: Step,
  { orderSn, byService }: Taker,
): { demands: SQL[]; set: object } {
  // A service may have confirmed it since it was read.
  const ofAsker = byService ? [] : [eq(coupons.byService, false)];
  // A use by the owner leaves a service's lock the service's.
  const marked = byService ? { byService } : {};
  switch (step.action) {
    case "lapse":
      return { demands: [...asRead(row), lockRanOut], set: FREE };
    case "unlock":
    case "revert":
      return { demands: [...inStateAsRead(row), ...ofAsker], set: FREE };
    case "keep":
      // It is written as it is, so that nobody changes it before this transaction ends.
      return { demands: inStateAsRead(row), set: { state: sql`${coupons.state}` } };
    case "confirm":
      // Another service may have confirmed it since it was read.
      return {
        demands: [...inStateAsRead(row), eq(coupons.byService, false)],
        set: { byService: true },
      };
    case "lock": {
      const lockedUntil = secondsFromNow(step.ttlSeconds);
      const { reserved } = step;
      const set = { state: "locked", orderSn, lockedUntil, reserved, ...marked };
      return { demands: canBeTaken, set };
    }
    case "use": {
      const { amounts, counted } = step;
      return {
        demands: step.from === "locked" ? inStateAsRead(row) : canBeTaken,
        set: {
          ...{ state: "used", orderSn, lockedUntil: null, reserved: counted, ...marked },
          ...{ originalAmount: amounts.original, discountAmount: amounts.discount },
          usedAt: sql`UTC_TIMESTAMP(3)`,
        },
      };
    }
  }
}

/**
 * Takes a step of a coupon as it was read. False when it is no longer as the step demands; nothing has changed then.
 * Throws MySQL's error.
 */
export async function takeStep(
  tx: Transaction,
  row: CouponRow,
  step: Step,
  taker: Taker,
): Promise<boolean> {
  const { demands, set } = updateOf(row, step, taker);
  const [result] = await tx
    .update(coupons)
    .set(set)
    .where(and(...isAt(row), eq(coupons.userId, row.userId), ...demands));
  return result.affectedRows === 1;
}

/** One line of a coupon's history. */
export interface LogLine {
  readonly couponId: string;
  readonly action: Exclude<Step["action"], "keep"> | "expire";
  readonly orderSn: string | null;
  /** Of a use, and of the use that a revert takes back. */
  readonly originalAmount?: number | null;
  readonly discountAmount?: number | null;
  readonly actor: string;
}

/** Writes what has been done, in this order. Throws MySQL's error. */
export async function writeLog(tx: Transaction, lines: readonly LogLine[]): Promise<void> {
  if (lines.length === 0) return;
  const at = sql`UTC_TIMESTAMP(3)`;
  await tx.insert(couponUsageLogs).values(lines.map((line) => ({ ...line, at })));
}
