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
import type { Held, Order, Terms } from "./order.ts";
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
  /** What odd units can cost: half a minor unit for each item and coupon; nothing where there is one coupon. */
  const oddUnits = ({ items }: Order, coupons: readonly Held[]) =>
    coupons.length < 2 ? 0 : (items.length * coupons.length) / 2;

  // Coupons that meet on some of their items, with prices that are often nearly the same.
  const price = fc.constantFrom(0, 999, 1_000, 1_001, 4_999, 5_000, 10_000);
  const someGoods = fc.subarray(["1", "2", "3", "4", "5"], { minLength: 1, maxLength: 3 });
  const meeting = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 12_000 }), someGoods), { minLength: 1, maxLength: 5 })
    .map((all) =>
      all.map(([value, goods], i) => coupon(String.fromCharCode(65 + i), amount(value, { goods }))),
    );
  const prices = fc.array(price, { minLength: 1, maxLength: 5 }).map((all) => order(all));

  /** An order, some coupons that can be used together, and more of something. */
  const cases = fc
    .oneof(
      fc.tuple(anyOrder, anyCoupons(5, 1), fc.nat(3_000)),
      fc.tuple(prices, meeting, fc.oneof(fc.nat(5), fc.nat(9_000))),
    )
    .filter(([some, coupons]) => calculate(some, coupons, NOW).kind === "computed");

  // Behind the percentage comes only the shipping, so nothing loses by a greater cap.
  test("a higher cap never takes off less", () => {
    const property = fc.property(cases, ([some, coupons, more]) => {
      const raised = coupons.map((one) => {
        const { discountMax } = one.terms;
        const terms = { ...one.terms, discountMax: discountMax && discountMax + more };
        return { ...one, terms };
      });
      expect(computed(some, raised).discount).toBeGreaterThanOrEqual(
        computed(some, coupons).discount,
      );
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("spending more never gets less off but for odd units", () => {
    const property = fc.property(cases, fc.nat(5), ([some, coupons, more], at) => {
      const before = computed(some, coupons).discount;
      const after = computed(dearer(some, at, more), coupons).discount;
      expect(after).toBeGreaterThanOrEqual(before - oddUnits(some, coupons));
    });
    fc.assert(property, { numRuns: 4_000 });
  });

  test("a greater face value never takes off less but for odd units", () => {
    const property = fc.property(cases, fc.nat(4), ([some, coupons, more], at) => {
      const raised = coupons.map((one, i) => {
        const isOne = one.terms.type === "amount_off" && i === at % coupons.length;
        const faceValue = one.terms.faceValue + (isOne ? more : 0);
        return { ...one, terms: { ...one.terms, faceValue } };
      });
      const before = computed(some, coupons).discount;
      const after = computed(some, raised).discount;
      expect(after).toBeGreaterThanOrEqual(before - oddUnits(some, coupons));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test("another coupon never raises what is to be paid but for odd units", () => {
    const property = fc.property(cases, ([some, coupons]) => {
      const fewer = computed(some, coupons.slice(1)).final;
      const { final } = computed(some, coupons);
      expect(final).toBeLessThanOrEqual(fewer + oddUnits(some, coupons));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test("two cents more of a face value do not turn the sequence of two coupons round", () => {
    const discounts = [999, 1_001, 1_003].map((faceValue) => {
      const coupons = [
        coupon("A", amount(1_002, { goods: ["1", "2"] })),
        coupon("B", amount(faceValue, { goods: ["1", "3"] })),
      ];
      return computed(order([1_000, 0, 1_000]), coupons).discount;
    });
    expect(discounts).toEqual([1_999, 2_000, 2_000]);
  });

  test("two cents more on one item do not turn the sequence of two coupons round", () => {
    const coupons = [
      coupon("A", amount(11_000, { goods: ["1", "2"] })),
      coupon("B", amount(5_000, { goods: ["1", "3"] })),
    ];
    const finals = [999, 1_000, 1_001].map(
      (price) => computed(order([10_000, price, 1_000]), coupons).final,
    );
    expect(finals).toEqual([0, 0, 0]);
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

  test("begins with the amount that is for less, so that the other finds something", () => {
    const narrower: Partial<Terms>[] = [
      { goods: ["1"], excludedCategories: ["b"] },
      { goods: ["1"] },
      { goods: ["9"], categories: ["a"] },
      { excludedGoods: ["2"] },
      {},
    ];
    const codes = ["E", "D", "C", "B", "A"];
    const coupons = narrower.map((scope, i) => coupon(codes[i] ?? "", amount(100, scope)));
    const applied = computed(order([1_000, 1_000]), coupons.toReversed()).coupons;
    expect(applied.map(({ code }) => code)).toEqual(codes);
  });

  test("then takes the amount of the older template, then the one that expires first", () => {
    const day = (number: number) => new Date(`2030-02-0${number}T00:00:00Z`);
    const coupons = [
      coupon("A", amount(100), { templateId: 2, expiresAt: day(1) }),
      coupon("B", amount(100), { templateId: 1 }),
      coupon("C", amount(100), { templateId: 1, expiresAt: day(2) }),
      coupon("D", amount(100), { templateId: 1, expiresAt: day(2) }),
    ];
    const applied = computed(order([1_000]), coupons).coupons.map(({ code }) => code);
    expect(applied).toEqual(["C", "D", "B", "A"]);
  });

  test("uses up the shipping coupon that expires first, whatever the others could take off", () => {
    const coupons = [
      coupon("A", shipping({ discountMax: 500 }), { templateId: 1 }),
      coupon("B", shipping(), { templateId: 2, expiresAt: new Date("2030-01-16T00:00:00Z") }),
    ];
    expect(computed(order([1_000], { shippingFee: 500 }), coupons).coupons).toMatchObject([
      { code: "B", discount: 500 },
      { code: "A", applied: false, reason: { code: "nothing_left" } },
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
