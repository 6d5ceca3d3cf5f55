import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  amount,
  anyCoupons,
  anyOrder,
  coupon,
  NOW,
  order,
  percent,
  shipping,
} from "../../../test/harness/discounts.ts";
import { limits } from "../../limits.ts";
import { calculate } from "../calculate.ts";
import type { Held, Order } from "../order.ts";
import { bestCombination } from "./best.ts";

/** All choices of at most `most` of them. */
function* choices<T>(all: readonly T[], most: number): Generator<T[]> {
  yield [];
  if (most === 0) return;
  for (const [i, one] of all.entries()) {
    for (const rest of choices(all.slice(i + 1), most - 1)) yield [one, ...rest];
  }
}

/** Sorts like the rule for ties among combinations of one size: the first to expire first, then codes. */
const urgencyOf = (coupons: readonly Held[]): string =>
  coupons
    .map(({ expiresAt, code }) => `${expiresAt?.toISOString() ?? "9999"} ${code}`)
    .sort()
    .join();

/** Tries every choice with the plain calculation. */
function bruteForce(some: Order, coupons: readonly Held[]): { codes: string[]; discount: number } {
  let best = { codes: [] as string[], discount: 0, urgency: "" };
  for (const choice of choices(coupons, 5)) {
    const result = calculate(some, choice, NOW);
    if (result.kind === "refused" || result.discount < best.discount) continue;
    const codes = choice.map(({ code }) => code).sort();
    const urgency = urgencyOf(choice);
    const isBetter =
      result.discount > best.discount ||
      codes.length < best.codes.length ||
      (codes.length === best.codes.length && urgency < best.urgency);
    if (isBetter) best = { codes, discount: result.discount, urgency };
  }
  return { codes: best.codes, discount: best.discount };
}

/** The same by the search, which has to be sure of it. */
const bestOf = (some: Order, coupons: readonly Held[]) => {
  const { codes, exact, calculation } = bestCombination(some, coupons, NOW);
  expect(exact).toBeTrue();
  return { codes: [...codes].sort(), discount: calculation.discount };
};

describe("the best combination", () => {
  test("is the one that trying everything finds, for up to 6 coupons", () => {
    const property = fc.property(anyOrder, anyCoupons(6), (some, coupons) => {
      expect(bestOf(some, coupons)).toEqual(bruteForce(some, coupons));
    });
    fc.assert(property, { numRuns: 3_000 });
  });

  test("is the one that trying everything finds, for up to 12 coupons", () => {
    const property = fc.property(anyOrder, anyCoupons(12, 9), (some, coupons) => {
      expect(bestOf(some, coupons)).toEqual(bruteForce(some, coupons));
    });
    fc.assert(property, { numRuns: 250 });
  }, 60_000);

  test("of coupons that differ in their end alone is made of those that expire first", () => {
    const coupons = ["2030-05-01", "2030-03-01", "2030-04-01", "2030-02-01"].map((day, i) =>
      coupon(`C${i}`, amount(400), { templateId: 1, expiresAt: new Date(`${day}T00:00:00Z`) }),
    );
    const { codes, discount } = bestOf(order([1_000]), coupons);
    expect({ codes, discount }).toEqual({ codes: ["C1", "C2", "C3"], discount: 1_000 });
  });

  test("of many that take off everything is made of the coupons that expire first", () => {
    const coupons = [20, 21, 22, 23].map((day, i) =>
      coupon(`C${i}`, amount(500 + i), { expiresAt: new Date(`2030-02-${day}T00:00:00Z`) }),
    );
    const { codes, discount } = bestOf(order([1_000]), coupons);
    expect({ codes, discount }).toEqual({ codes: ["C0", "C1"], discount: 1_000 });
  });

  test("has amounts before a percentage of the same items, each worth its part", () => {
    const coupons = [
      coupon("A", amount(300)),
      coupon("B", amount(200)),
      coupon("C", percent(5_000)),
    ];
    expect(bestOf(order([1_000]), coupons)).toEqual({ codes: ["A", "B", "C"], discount: 750 });
  });

  test("has an amount beside a percentage that it mostly leaves alone", () => {
    // Alone, the percentage of everything takes off more than the amount, and more than the other percentage.
    const all = coupon("A", percent(5_500, { stacking: "exclusive" }));
    const coupons = [
      all,
      coupon("B", percent(5_000, { goods: ["1"] })),
      coupon("C", amount(1_000)),
    ];
    expect(bestOf(order([1_000, 1_000]), coupons)).toEqual({ codes: ["B", "C"], discount: 1_250 });
  });

  test("does not spend a coupon that adds nothing", () => {
    const coupons = [
      coupon("A", amount(300)),
      coupon("B", amount(700)),
      coupon("C", amount(1_000)),
      coupon("D", shipping()),
    ];
    expect(bestOf(order([1_000], { shippingFee: 0 }), coupons).codes).toEqual(["C"]);
  });

  test("passes over a great percentage whose cap makes it small", () => {
    const coupons = [coupon("A", percent(9_000, { discountMax: 50 })), coupon("B", percent(1_000))];
    expect(bestOf(order([1_000]), coupons)).toEqual({ codes: ["B"], discount: 100 });
  });

  test("has what the order has locked before others of the template, as many as there is room for", () => {
    const lockedUntil = new Date(NOW.getTime() + 1_000);
    const own = { state: "locked", lockedUntil, lockedByOrder: true } as const;
    const withRoomFor = (usesLeft: number) => {
      const coupons = ["A", "B", "C"].map((code, i) =>
        coupon(code, amount(400), {
          ...{ templateId: 1, usesLeft, expiresAt: new Date(`2030-02-0${i + 1}T00:00:00Z`) },
          ...(code === "C" && own),
        }),
      );
      return bestOf(order([2_000]), coupons).codes;
    };
    expect([0, 1, 2].map(withRoomFor)).toEqual([["C"], ["A", "C"], ["A", "B", "C"]]);
  });

  test("is empty, and takes off nothing, when no coupon applies", () => {
    const { codes, calculation } = bestCombination(order([500]), [], NOW);
    expect(codes).toEqual([]);
    expect(calculation).toMatchObject({ original: 500, discount: 0, final: 500, coupons: [] });
  });

  test("of very many that are hard to tell apart is the best of those that were tried, and says so", () => {
    const places = Array.from({ length: limits.orderItemsMax }, (_, i) => i);
    const some = order(places.map((i) => 5_000 + ((i * 7_919) % 10_000)));
    const coupons = places.map((i) => {
      const goods = places.slice(0, 20).map((j) => String(1 + ((i * 37 + j * j * 11 + j) % 100)));
      return coupon(`C${i}`, amount(100_000 + ((i * 104_729) % 30_000), { goods }));
    });
    const { codes, exact, calculation } = bestCombination(some, coupons, NOW);
    expect(exact).toBeFalse();
    const together = coupons.filter(({ code }) => codes.includes(code));
    expect(calculate(some, together, NOW)).toMatchObject({ discount: calculation.discount });
    const greatest = Math.max(...coupons.map(({ terms }) => terms.faceValue));
    expect(codes).toHaveLength(limits.couponsPerOrderMax);
    expect(calculation.discount).toBeGreaterThan(0.9 * limits.couponsPerOrderMax * greatest);
  });

  test("never gets worse by another coupon in the wallet", () => {
    const property = fc.property(anyOrder, anyCoupons(20, 1), (some, coupons) => {
      const fewer = bestOf(some, coupons.slice(1)).discount;
      expect(bestOf(some, coupons).discount).toBeGreaterThanOrEqual(fewer);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
