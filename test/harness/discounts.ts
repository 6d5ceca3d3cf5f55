// Orders and coupons for tests of discounts: by hand with defaults, and at random, small enough that coupons meet
// on the same items and amounts run out.

import fc from "fast-check";
import type { Held, Order, Terms } from "../../src/discounts/order.ts";

export const NOW = new Date("2030-01-15T12:00:00.000Z");

const ANY_TERMS: Terms = {
  type: "amount_off",
  faceValue: 0,
  basisPoints: null,
  discountMax: null,
  minimumSpend: 0,
  currency: "CNY",
  goods: [],
  categories: [],
  excludedGoods: [],
  excludedCategories: [],
  stacking: "free",
  stackingGroup: null,
};

/** The sum of the characters, so that codes that follow each other are of templates that do. */
const templateFor = (code: string): number =>
  Buffer.from(code).reduce((sum, byte) => sum + byte, 0);

/**
 * A coupon that is unused and has no end, of a template of its own for all items that stacks freely, but for what is
 * said.
 */
export function coupon(
  code: string,
  terms: Partial<Terms>,
  rest: Partial<Omit<Held, "terms">> = {},
): Held {
  return {
    code,
    templateId: templateFor(code),
    terms: { ...ANY_TERMS, ...terms },
    state: "unused",
    lockedUntil: null,
    lockedByOrder: false,
    validFrom: null,
    expiresAt: null,
    usesLeft: null,
    budgetUsesLeft: null,
    ...rest,
  };
}

export const amount = (faceValue: number, terms: Partial<Terms> = {}): Partial<Terms> => ({
  type: "amount_off",
  faceValue,
  ...terms,
});
export const percent = (basisPoints: number, terms: Partial<Terms> = {}): Partial<Terms> => ({
  type: "percent_off",
  basisPoints,
  ...terms,
});
export const shipping = (terms: Partial<Terms> = {}): Partial<Terms> => ({
  type: "free_shipping",
  ...terms,
});

/** An order of one piece each: goods `1`, `2` … at these prices, of the categories `a`, `b` … or all of `a`. */
export const order = (
  prices: readonly number[],
  { shippingFee = 0, categories = "" }: { shippingFee?: number; categories?: string } = {},
): Order => ({
  items: prices.map((unitPrice, i) => ({
    goods: String(i + 1),
    category: categories[i] ?? "a",
    quantity: 1,
    unitPrice,
  })),
  shippingFee,
  currency: "CNY",
});

const goods = fc.constantFrom("1", "2", "3", "4", "5");
const category = fc.constantFrom("a", "b", "c");
const few = <T>(one: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.uniqueArray(one, { maxLength: 3 }));

export const anyOrder: fc.Arbitrary<Order> = fc.record({
  items: fc.array(
    fc.record({
      goods,
      category,
      quantity: fc.integer({ min: 1, max: 3 }),
      // Often the same, so that items are equal in what they come to and differ in what they are.
      unitPrice: fc.oneof(fc.constantFrom(0, 100, 250), fc.integer({ min: 0, max: 9_999 })),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  shippingFee: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
  currency: fc.constant("CNY"),
});

const worth: fc.Arbitrary<Partial<Terms>> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 4_000 }).map((value) => amount(value)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 10_000 }), fc.option(fc.integer({ min: 1, max: 900 })))
      .map(([basisPoints, discountMax]) => percent(basisPoints, { discountMax })),
  },
  {
    weight: 1,
    arbitrary: fc
      .option(fc.integer({ min: 1, max: 600 }))
      .map((discountMax) => shipping({ discountMax })),
  },
);

const conditions: fc.Arbitrary<Partial<Terms>> = fc.record({
  minimumSpend: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4_000 })),
  goods: few(goods),
  categories: few(category),
  excludedGoods: few(goods),
  excludedCategories: few(category),
});

const stacking = fc
  .constantFrom("free", "free", "free", "free", "group a", "group b", "exclusive")
  .map(
    (word): Partial<Terms> =>
      word.startsWith("group ")
        ? { stacking: "group", stackingGroup: word.slice(6) }
        : { stacking: word === "free" ? "free" : "exclusive" },
  );

const expiry = fc.constantFrom(null, "2030-02-01", "2030-03-01", "2030-03-01", "2020-01-01");

/** Up to `maxLength` coupons of all kinds with the codes A, B … */
export const anyCoupons = (maxLength: number, minLength = 0): fc.Arbitrary<Held[]> =>
  fc
    .array(fc.tuple(worth, conditions, stacking, expiry), { minLength, maxLength })
    .map((all) =>
      all.map(([value, when, together, until], i) =>
        coupon(
          String.fromCharCode(65 + i),
          { ...when, ...value, ...together },
          { expiresAt: until === null ? null : new Date(`${until}T00:00:00Z`) },
        ),
      ),
    )
    .chain((all) =>
      // Some are of one template, with room for a few of them; some of templates that are alike, old ones and new ones.
      fc
        .record({ many: fc.nat(all.length), room: fc.option(fc.nat(3)), alike: fc.nat(4) })
        .map(({ many, room, alike }) =>
          all.map((one, i) => {
            const [first] = all;
            if (first && i < many)
              return { ...one, templateId: 1, terms: first.terms, usesLeft: room };
            const terms = (i % 4 < alike ? one : all[i - 3])?.terms ?? one.terms;
            return { ...one, templateId: 10 + ((i * 7) % 29), terms };
          }),
        ),
    );
