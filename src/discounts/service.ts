// What a user's coupons do for an order. Reads and calculates; locks nothing and changes nothing, so between this
// answer and a lock a coupon may be gone, and the lock says so.

import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { type Best, bestOf } from "./best/best.ts";
import { calculate } from "./calculate.ts";
import { prepare } from "./candidates.ts";
import { type Asked, readByCode, readOpen } from "./held.ts";
import type { Order } from "./order.ts";
import type { Computed, Explained, Refused } from "./outcome.ts";
import { explained } from "./sentences.ts";

export type Calculated = (Computed & { readonly asOf: Date }) | Refused;

/** One coupon looked at by itself. */
export interface Offer {
  readonly code: string;
  readonly templateId: number;
  readonly templateName: string;
  readonly expiresAt: Date | null;
  /** What it would take off as the only coupon, or why nothing. */
  readonly alone:
    | { readonly applies: true; readonly discount: number }
    | { readonly applies: false; readonly reason: Explained };
}

export interface Available {
  readonly asOf: Date;
  /** Those that expire first are first. */
  readonly offers: readonly Offer[];
  /** True when the user has more coupons than were looked at. */
  readonly hasMore: boolean;
  readonly best: Best;
}

export interface Discounts {
  /** What these coupons of a user take off an order, at `asOf` or now by MySQL's clock. Throws MySQL's error. */
  calculate(asked: Asked, order: Order, codes: readonly string[], asOf?: Date): Promise<Calculated>;
  /** What each of a user's coupons would take off an order, and the best combination. Throws MySQL's error. */
  available(asked: Asked, order: Order): Promise<Available>;
}

export function createDiscounts({ db, clock }: { db: Database; clock: Clock }): Discounts {
  return {
    async calculate(asked, order, codes, asOf) {
      const { found, now } = await readByCode(db, asked, codes);
      // Without a coupon the time decides nothing, and the clock of this process will do.
      const at = asOf ?? now ?? new Date(clock.now());
      const result = calculate(order, found, at);
      if (result.kind === "refused") return result;
      const known = new Set(found.map(({ code }) => code));
      const unknown = codes
        .filter((code) => !known.has(code))
        .sort()
        .map((code) => {
          const reason = explained({ code: "unknown_coupon" });
          return { code, applied: false, reason } as const;
        });
      return { ...result, coupons: [...result.coupons, ...unknown], asOf: at };
    },

    async available(asked, order) {
      const most = limits.discountCouponsMax;
      const { found: all, now } = await readOpen(db, asked, most + 1);
      const found = all.slice(0, most);
      const asOf = now ?? new Date(clock.now());
      const prepared = prepare(order, found, asOf);
      const discounts = new Map(prepared.candidates.map(({ held, alone }) => [held.code, alone]));
      const reasons = new Map(prepared.unapplied.map(({ code, reason }) => [code, reason]));
      const offers = found.flatMap(({ code, templateId, templateName, expiresAt }): Offer[] => {
        const shown = { code, templateId, templateName, expiresAt };
        const discount = discounts.get(code);
        const reason = reasons.get(code);
        if (discount !== undefined) return [{ ...shown, alone: { applies: true, discount } }];
        return reason ? [{ ...shown, alone: { applies: false, reason } }] : [];
      });
      return { asOf, offers, hasMore: all.length > most, best: bestOf(prepared) };
    },
  };
}
