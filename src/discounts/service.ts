// What a user's coupons do for an order. Reads and calculates; locks nothing and changes nothing, so between this
// answer and a lock a coupon may be gone, and the lock says so.
//
// A coupon counts from the moment on that its grab was answered: what Redis alone has yet is asked for beside the rows,
// and where it could have become one meanwhile Redis is asked first.

import type { Clock } from "../clock.ts";
import type { Pending } from "../coupons/pending.ts";
import type { Database } from "../db/client.ts";
import { type Best, bestOf } from "./best/best.ts";
import { calculate } from "./calculate.ts";
import { type Prepared, prepare } from "./candidates.ts";
import { createGranted } from "./granted.ts";
import { type Asked, type CouponFacts, type Found, heldOf, readByCode } from "./held.ts";
import type { Order } from "./order.ts";
import type { Computed, CouponOutcome, Explained, Refused } from "./outcome.ts";
import { type Pile, readPiles, withGranted } from "./piles.ts";
import { explained } from "./sentences.ts";
import { compareExpiry } from "./sequence.ts";

/** Of a coupon that MySQL does not have yet it is said, of the others nothing. */
interface Recording {
  readonly recorded?: false;
}

/** What is computed of coupons, with which of them are not recorded yet. */
export type Told = Omit<Computed, "coupons"> & {
  readonly coupons: readonly (CouponOutcome & Recording)[];
};

export type Calculated = (Told & { readonly asOf: Date }) | Refused;

/** One coupon looked at by itself. */
export interface Offer extends Recording {
  readonly code: string;
  readonly templateId: number;
  readonly templateName: string;
  readonly expiresAt: Date | null;
  /** How many others of the template stand behind it that do the same, and are not listed. */
  readonly more: number;
  /** What it would take off as the only coupon, or why nothing. */
  readonly alone:
    | { readonly applies: true; readonly discount: number }
    | { readonly applies: false; readonly reason: Explained };
}

export interface Available {
  readonly asOf: Date;
  /** Those that expire first are first. */
  readonly offers: readonly Offer[];
  /** True when not all of the user's coupons were looked at. */
  readonly hasMore: boolean;
  readonly best: Omit<Best, "calculation"> & { readonly calculation: Told };
}

export interface Discounts {
  /**
   * What these coupons of a user take off an order, at `asOf` or now by MySQL's clock. Throws MySQL's error, or RedisAway
   * if MySQL does not have one of them.
   */
  calculate(asked: Asked, order: Order, codes: readonly string[], asOf?: Date): Promise<Calculated>;
  /**
   * What each of a user's coupons would take off an order, and the best combination; without Redis, of those that MySQL
   * has. Throws MySQL's error.
   */
  available(asked: Asked, order: Order): Promise<Available>;
}

const recordingOf = ({ recorded }: { recorded: boolean }): Recording =>
  recorded ? {} : { recorded: false };

function told(computed: Computed, found: readonly Found[]): Told {
  const byCode = new Map(found.map((one) => [one.code, recordingOf(one)]));
  const coupons = computed.coupons.map((one) => ({ ...one, ...byCode.get(one.code) }));
  return { ...computed, coupons };
}

const unknownOf = (codes: readonly string[]): CouponOutcome[] =>
  codes.toSorted().map((code) => {
    const reason = explained({ code: "unknown_coupon" });
    return { code, applied: false, reason };
  });

/** Those of the codes that none of these coupons has. */
const missingIn = (coupons: readonly CouponFacts[], codes: readonly string[]): string[] => {
  const known = new Set(coupons.map(({ code }) => code));
  return codes.filter((code) => !known.has(code));
};

interface DiscountDeps {
  readonly db: Database;
  readonly pending: Pending;
  readonly clock: Clock;
}

export function createDiscounts({ db, pending, clock }: DiscountDeps): Discounts {
  const granted = createGranted({ db, pending });

  /** A user's coupons of these codes, as rows or as what is going to be one. */
  async function readNamed(userId: number, codes: readonly string[]): Promise<CouponFacts[]> {
    const rows = await readByCode(db, userId, codes);
    const missing = missingIn(rows, codes);
    const recent = await granted.named(userId, missing);
    // Once more at the end: it may have been recorded between the first look and Redis's answer.
    const late = await readByCode(db, userId, missingIn(recent, missing));
    return [...rows, ...recent, ...late];
  }

  return {
    async calculate(asked, order, codes, asOf) {
      const named = await readNamed(asked.userId, codes);
      // Without a coupon the time decides nothing, and the clock of this process will do.
      const { found, at = new Date(clock.now()) } = await heldOf(db, asked, named, asOf);
      const result = calculate(order, found, at);
      if (result.kind === "refused") return result;
      const { coupons, ...amounts } = told(result, found);
      const unknown = unknownOf(missingIn(named, codes));
      return { ...amounts, coupons: [...coupons, ...unknown], asOf: at };
    },

    async available(asked, order) {
      const recent = await granted.unrecorded(asked.userId);
      const read = await readPiles(db, asked, order);
      const { piles, hasMore, lacksSome } = withGranted(read, recent, order, new Date(clock.now()));
      const listed = piles.flatMap(({ coupons }) => coupons);
      const { found, at: asOf = new Date(clock.now()) } = await heldOf(db, asked, listed);
      const prepared = prepare(order, found, asOf);
      const best = bestOf(prepared);
      return {
        asOf,
        offers: offersOf(found, prepared, piles),
        hasMore,
        best: {
          codes: best.codes,
          exact: best.exact && !lacksSome,
          calculation: told(best.calculation, found),
        },
      };
    },
  };
}

/** What there is to say of each coupon by itself, those that expire first at the top. */
function offersOf(found: readonly Found[], prepared: Prepared, piles: readonly Pile[]): Offer[] {
  const discounts = new Map(prepared.candidates.map(({ held, alone }) => [held.code, alone]));
  const reasons = new Map(prepared.unapplied.map(({ code, reason }) => [code, reason]));
  const more = new Map(piles.map(({ coupons, more: count }) => [coupons.at(-1)?.code, count]));
  return found.toSorted(compareExpiry).flatMap((one): Offer[] => {
    const { code, templateId, templateName, expiresAt } = one;
    const shown = { code, templateId, templateName, expiresAt, ...recordingOf(one) };
    const behind = { ...shown, more: more.get(code) ?? 0 };
    const discount = discounts.get(code);
    const reason = reasons.get(code);
    if (discount !== undefined) return [{ ...behind, alone: { applies: true, discount } }];
    return reason ? [{ ...behind, alone: { applies: false, reason } }] : [];
  });
}
