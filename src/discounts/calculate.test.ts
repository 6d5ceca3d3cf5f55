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
} from "../../test/harness/discounts.ts";
import { calculate } from "./calculate.ts";
import type { Held, Order } from "./order.ts";
import type { Computed } from "./outcome.ts";

const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);

/** The result where there is one; a refused combination is no case for a property of amounts. */
function computed(some: Order, coupons: readonly Held[]): Computed {
  const result = calculate(some, coupons, NOW);
  fc.pre(result.kind === "computed");
  return result as Computed;
}

const shuffled = <T>(all: readonly T[], keys: readonly number[]): T[] =>
  all
    .map((one, i) => ({ one, key: keys[i] ?? 0 }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
const keys = fc.array(fc.integer(), { minLength: 10, maxLength: 10 });

/** The order with so much more to pay for one line; new goods would have a scope of their own. */
function dearer(some: Order, at: number, more: number): Order {
  const items = some.items.map((item, i) =>
    i === at % some.items.length
      ? { ...item, quantity: 1, unitPrice: item.quantity * item.unitPrice + more }
      : item,
  );
  return { ...some, items };
}

describe("amounts", () => {
  const few = fc.tuple(anyOrder, anyCoupons(4));

  test("stay between nothing and all there is to pay", () => {
    const property = fc.property(few, ([some, coupons]) => {
      const { original, discount, shippingDiscount, final, items } = computed(some, coupons);
      expect(original - discount).toBe(final);
      for (const [part, whole] of [
        [discount, original],
        [shippingDiscount, some.shippingFee],
        ...items.map((item) => [item.discount, item.original] as const),
      ] as const) {
        expect(part).toBeGreaterThanOrEqual(0);
        expect(part).toBeLessThanOrEqual(whole);
        expect(Number.isSafeInteger(part)).toBeTrue();
      }
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("add up by coupon, by item and by share", () => {
    const property = fc.property(few, ([some, coupons]) => {
      const result = computed(some, coupons);
      const applied = result.coupons.filter((one) => one.applied);
      expect(sum(applied.map(({ discount }) => discount))).toBe(result.discount);
      const { items } = result;
      expect(sum(items.map((item) => item.discount)) + result.shippingDiscount).toBe(
        result.discount,
      );
      for (const item of items) {
        expect(item.original).toBe(item.quantity * item.unitPrice);
        expect(item.original - item.discount).toBe(item.final);
        expect(sum(item.shares.map((share) => share.discount))).toBe(item.discount);
      }
      const isShipping = (code: string) =>
        coupons.find((one) => one.code === code)?.terms.type === "free_shipping";
      for (const { code, discount } of applied) {
        const shares = items.flatMap((item) => item.shares.filter((share) => share.code === code));
        expect(sum(shares.map((share) => share.discount))).toBe(isShipping(code) ? 0 : discount);
      }
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("do not depend on the sequence of the coupons", () => {
    const property = fc.property(few, keys, ([some, coupons], dice) => {
      expect(calculate(some, shuffled(coupons, dice), NOW)).toEqual(calculate(some, coupons, NOW));
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("do not depend on the sequence of the items", () => {
    const property = fc.property(few, keys, ([some, coupons], dice) => {
      const one = computed(some, coupons);
      const other = computed({ ...some, items: shuffled(some.items, dice) }, coupons);
      const sorted = ({ items }: Computed) => items.map((item) => JSON.stringify(item)).sort();
      expect(sorted(other)).toEqual(sorted(one));
      expect({ ...other, items: [] }).toEqual({ ...one, items: [] });
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("are the same without the coupons that are not applied", () => {
    const property = fc.property(few, ([some, coupons]) => {
      const all = computed(some, coupons);
      const isApplied = new Set(all.coupons.flatMap((one) => (one.applied ? [one.code] : [])));
      const rest = computed(
        some,
        coupons.filter(({ code }) => isApplied.has(code)),
      );
      expect(rest).toEqual({ ...all, coupons: all.coupons.filter(({ applied }) => applied) });
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe("more never makes it worse", () => {
  // Of any coupons: behind the percentage comes only the shipping, so nothing loses by a greater cap.
  test("a higher cap never takes off less", () => {
    const property = fc.property(anyOrder, anyCoupons(4), fc.nat(500), (some, coupons, more) => {
      const raised = coupons.map((one) => {
        const { discountMax } = one.terms;
        const terms = { ...one.terms, discountMax: discountMax && discountMax + more };
        return { ...one, terms };
      });
      expect(computed(some, raised).discount).toBeGreaterThanOrEqual(
        computed(some, coupons).discount,
      );
    });
    fc.assert(property, { numRuns: 500 });
  });

  // Of one coupon, whatever it is for: what it takes off grows with what its items come to, and not faster.
  test("spending more never raises what is to be paid by more than that, nor lowers the discount", () => {
    const property = fc.property(
      anyOrder,
      anyCoupons(1, 1),
      fc.nat(5),
      fc.nat(3_000),
      (some, coupons, at, more) => {
        const before = computed(some, coupons);
        const after = computed(dearer(some, at, more), coupons);
        expect(after.final).toBeLessThanOrEqual(before.final + more);
        expect(after.discount).toBeGreaterThanOrEqual(before.discount);
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });

  // Of several coupons only where all are for all items: otherwise the shares of one, whose odd units may fall on
  // another item when its amount changes, can cost a percentage on a part of the items a minor unit.
  const forAll = anyCoupons(5).map((coupons) =>
    coupons.map((one) => ({
      ...one,
      terms: {
        ...one.terms,
        ...{ goods: [], categories: [], excludedGoods: [], excludedCategories: [] },
      },
    })),
  );

  test("among coupons for all items, a greater face value never takes off less", () => {
    const property = fc.property(anyOrder, forAll, fc.nat(900), (some, coupons, more) => {
      const raised = coupons.map((one, i) => {
        const faceValue = one.terms.faceValue + (i === 0 ? more : 0);
        return { ...one, terms: { ...one.terms, faceValue } };
      });
      const before = computed(some, coupons);
      expect(computed(some, raised).discount).toBeGreaterThanOrEqual(before.discount);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("among coupons for all items, another coupon never raises what is to be paid", () => {
    const property = fc.property(anyOrder, forAll, (some, coupons) => {
      const all = computed(some, coupons);
      expect(all.final).toBeLessThanOrEqual(computed(some, coupons.slice(1)).final);
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe("the sequence of coupons", () => {
  test("is amounts, then the percentage of what remains, then shipping", () => {
    const coupons = [
      coupon("A", shipping({ discountMax: 500 })),
      coupon("B", percent(2_000)),
      coupon("C", amount(1_000)),
    ];
    const result = computed(order([6_000, 5_000], { shippingFee: 800 }), coupons);
    expect(result).toMatchObject({
      ...{ original: 11_800, discount: 3_500, shippingDiscount: 500, final: 8_300 },
      coupons: [
        { code: "C", applied: true, discount: 1_000 },
        { code: "B", applied: true, discount: 2_000 },
        { code: "A", applied: true, discount: 500 },
      ],
    });
  });

  test("begins with the amount whose items come to least, so that the other finds something", () => {
    const coupons = [coupon("A", amount(1_000)), coupon("B", amount(1_000, { goods: ["1"] }))];
    const result = computed(order([1_000, 1_000]), coupons);
    expect(result).toMatchObject({ discount: 2_000, final: 0 });
    expect(result.items.map(({ shares }) => shares)).toEqual([
      [{ code: "B", discount: 1_000 }],
      [{ code: "A", discount: 1_000 }],
    ]);
  });

  test("leaves a coupon unused for which nothing is left", () => {
    const coupons = [coupon("A", amount(600)), coupon("B", amount(500)), coupon("C", amount(100))];
    expect(computed(order([1_100]), coupons).coupons).toMatchObject([
      { code: "A", discount: 600 },
      { code: "B", discount: 500 },
      { code: "C", applied: false, reason: { code: "nothing_left" } },
    ]);
  });
});
