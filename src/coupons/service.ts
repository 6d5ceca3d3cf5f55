// Locking, using and giving back coupons, one or several at once, all or none.
//
// One reading tells what each coupon needs (plan.ts); most refusals and repeats end there. Then one transaction
// sees whether the order may have them together (together.ts), takes the steps (steps.ts), in the order of the coupons'
// places, and counts them (counters.ts). If a coupon is no longer as it was read, also one that was as wished, nothing
// is changed and all begins anew with another reading. No lock is held between the reading and the change, so nothing
// is left behind by a process that dies.

import type { Database, Transaction } from "../db/client.ts";
import type { Violation } from "../discounts/outcome.ts";
import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";
import { createTurns } from "../turns.ts";
import { type Settled, settle } from "./counters.ts";
import { type Coupon, couponOf } from "./coupon.ts";
import { holdOwner, makeOwner } from "./hold.ts";
import { freeLapsed } from "./lapse.ts";
import { planWish, type Refusal, type Step, type Wish } from "./plan.ts";
import { byPlace, type CouponRow, readCoupons } from "./row.ts";
import { type LogLine, takeStep, writeLog } from "./steps.ts";
import { isGiving, isTaking, violationsWith } from "./together.ts";
import { transact } from "./transact.ts";

/** The owner of the coupons, and who acts: the owner, or a service for the owner. */
export interface Acting {
  readonly userId: number;
  /** For the history: `user:7`, `key:3`. */
  readonly actor: string;
  /** A service acts, and not the owner. */
  readonly byService: boolean;
}

export type Outcome =
  /** `changed` is false when all of them were as wished already. The coupons stand in the order of the codes. */
  | { readonly kind: "done"; readonly coupons: readonly Coupon[]; readonly changed: boolean }
  | { readonly kind: "unknown"; readonly code: string }
  /** Granted a moment ago; MySQL will have it soon. */
  | { readonly kind: "unrecorded"; readonly code: string }
  | { readonly kind: "refused"; readonly code: string; readonly refusal: Refusal }
  | NotTogether;

/** The order would have coupons that cannot be used together. */
interface NotTogether {
  readonly kind: "not-together";
  readonly violations: readonly Violation[];
}

export interface Coupons {
  /**
   * Gives an order its wishes, by code: 1 to `couponsPerOrderMax`, in their one spelling. Throws MySQL's error, or
   * Overloaded when too many changes are under way; what became of it then, a repeat tells.
   */
  change(acting: Acting, orderSn: string, wishes: ReadonlyMap<string, Wish>): Promise<Outcome>;
}

interface Planned {
  readonly row: CouponRow;
  readonly steps: readonly Step[];
}

const isKept = ({ steps }: Planned): boolean => steps.every(({ action }) => action === "keep");

type Executed =
  | { readonly kind: "done"; readonly rows: CouponRow[] }
  /** Some coupon is no longer as it was read. */
  | { readonly kind: "moved" }
  /** There is no row yet by which the owner could be held. */
  | { readonly kind: "no-owner" }
  | NotTogether
  | Exclude<Settled, { kind: "settled" }>;

const linesOf = ({ row, steps }: Planned, orderSn: string, actor: string): LogLine[] =>
  steps.flatMap((step) => {
    if (step.action === "keep") return [];
    const { originalAmount, discountAmount } =
      step.action === "use"
        ? { originalAmount: step.amounts.original, discountAmount: step.amounts.discount }
        : row;
    const amounts =
      step.action === "use" || step.action === "revert" ? { originalAmount, discountAmount } : {};
    const of = step.action === "lapse" ? row.orderSn : orderSn;
    return [{ couponId: row.id, action: step.action, orderSn: of, actor, ...amounts }];
  });

/** Takes all the steps; anything but "done" has to be rolled back. */
async function execute(
  tx: Transaction,
  planned: readonly Planned[],
  { userId, actor, byService }: Acting,
  orderSn: string,
): Promise<Executed> {
  const all = planned.flatMap(({ steps }) => steps);
  if (all.some(isGiving) && !(await holdOwner(tx, userId))) return { kind: "no-owner" };
  if (all.some(isTaking)) {
    const asked = planned.map(({ row }) => row);
    const violations = await violationsWith(tx, userId, orderSn, asked);
    if (violations.length > 0) return { kind: "not-together", violations };
  }
  const sorted = planned.toSorted((a, b) => byPlace(a.row, b.row));
  for (const { row, steps } of sorted) {
    for (const step of steps) {
      if (!(await takeStep(tx, row, step, { orderSn, byService }))) return { kind: "moved" };
    }
  }
  await writeLog(
    tx,
    sorted.flatMap((one) => linesOf(one, orderSn, actor)),
  );
  const moves = sorted.flatMap(({ row, steps }) =>
    steps.map((step) => {
      const { templateId, template } = row;
      return { ...step, templateId, userId, userLimit: template.userLimit };
    }),
  );
  const settled = await settle(tx, moves);
  if (settled.kind !== "settled") return settled;
  const codes = planned.map(({ row }) => row.code);
  return { kind: "done", rows: await readCoupons(tx, userId, codes) };
}

const inOrder = (rows: readonly CouponRow[], codes: readonly string[]): CouponRow[] => {
  const byCode = new Map(rows.map((row) => [row.code, row]));
  return codes.flatMap((code) => byCode.get(code) ?? []);
};

const done = (rows: readonly CouponRow[], changed: boolean): Outcome => ({
  kind: "done",
  coupons: rows.map(couponOf),
  changed,
});

export function createCoupons({
  db,
  wallet,
}: {
  db: Database;
  /** Knows the grants that MySQL may not have yet. */
  wallet: { isPending(userId: number, code: string): Promise<boolean> };
}): Coupons {
  const turns = createTurns({
    atOnce: limits.couponChangesAtOnce,
    waitersMax: limits.couponChangesWaitingMax,
    waitMsMax: limits.couponChangeWaitMsMax,
  });

  /** All these coupons, or the first one that is not there. */
  async function readAll(userId: number, codes: readonly string[]): Promise<CouponRow[] | Outcome> {
    const read = async () => inOrder(await readCoupons(db, userId, codes), codes);
    const missingIn = (rows: CouponRow[]) =>
      codes.find((code) => rows.every((row) => row.code !== code));
    const first = await read();
    const code = missingIn(first);
    if (code === undefined) return first;
    if (await wallet.isPending(userId, code)) return { kind: "unrecorded", code };
    // It may have been recorded since the first look.
    const second = await read();
    const still = missingIn(second);
    return still === undefined ? second : { kind: "unknown", code: still };
  }

  /** Undefined: begin anew. */
  async function attempt(
    acting: Acting,
    orderSn: string,
    wishes: ReadonlyMap<string, Wish>,
  ): Promise<Outcome | undefined> {
    const { userId } = acting;
    const codes = [...wishes.keys()];
    const rows = await readAll(userId, codes);
    if ("kind" in rows) return rows;
    const planned: Planned[] = [];
    for (const row of rows) {
      const plan = planWish(row, orderSn, wishes.get(row.code) as Wish, acting.byService);
      if (plan.kind === "refused") return { ...plan, code: row.code };
      planned.push({ row, steps: plan.steps });
    }
    if (planned.every(isKept)) return done(rows, false);
    const executed = await transact(db, async (tx) => {
      const result = await execute(tx, planned, acting, orderSn);
      return { result, keep: result.kind === "done" };
    });
    if (executed.kind === "done") return done(inOrder(executed.rows, codes), true);
    if (executed.kind === "not-together") return executed;
    if (executed.kind === "moved") return undefined;
    if (executed.kind === "no-owner") {
      await makeOwner(db, userId);
      return undefined;
    }
    return withoutRoom(executed, rows, userId);
  }

  /** No room: unless locks that ran out still take it. */
  async function withoutRoom(
    { kind, templateId }: Exclude<Settled, { kind: "settled" }>,
    rows: readonly CouponRow[],
    userId: number,
  ): Promise<Outcome | undefined> {
    const whose = kind === "user-limit" ? { templateId, userId } : { templateId };
    if ((await freeLapsed(db, whose)) > 0) return undefined;
    const row = rows.find((one) => one.templateId === templateId) as CouponRow;
    const { userLimit } = row.template;
    const refusal: Refusal =
      kind === "user-limit" && userLimit !== null ? { kind, limit: userLimit } : { kind: "budget" };
    return { kind: "refused", code: row.code, refusal };
  }

  async function untilDecided(...[acting, orderSn, wishes]: Parameters<Coupons["change"]>) {
    for (let left = limits.couponAttemptsMax; left > 0; left -= 1) {
      const outcome = await attempt(acting, orderSn, wishes);
      if (outcome) return outcome;
    }
    throw new Overloaded("these coupons change all the time");
  }

  return {
    async change(acting, orderSn, wishes) {
      const turn = await turns.run(() => untilDecided(acting, orderSn, wishes));
      if (turn === "busy") throw new Overloaded("too many coupons change at once");
      return turn.result;
    },
  };
}
