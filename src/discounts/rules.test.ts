import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  amount,
  anyOrder,
  coupon,
  NOW,
  order,
  percent,
  shipping,
} from "../../test/harness/discounts.ts";
import { limits } from "../limits.ts";
import { bestCombination } from "./best/best.ts";
import { calculate } from "./calculate.ts";
import type { Held, Order, Terms } from "./order.ts";

const SECOND = 1_000;
const later = (ms: number) => new Date(NOW.getTime() + ms);

/** Why the only coupon is not applied; undefined when it is. */
function reasonOf(held: Held, some: Order = order([1_000], { shippingFee: 500 })) {
  const result = calculate(some, [held], NOW);
  const [outcome] = result.kind === "computed" ? result.coupons : [];
  return outcome?.applied === false ? outcome.reason : undefined;
}

const rulesOf = (...coupons: Held[]): (readonly [string, readonly string[]])[] => {
  const result = calculate(order([10_000, 10_000], { shippingFee: 500 }), coupons, NOW);
  return result.kind === "refused"
    ? result.violations.map(({ rule, codes }) => [rule, codes] as const)
    : [];
};

describe("a coupon does not apply", () => {
  test.each<[string, Partial<Omit<Held, "terms">>, object]>([
    ["used", { state: "used" }, { code: "used" }],
    ["marked as expired", { state: "expired" }, { code: "expired", expiredAt: null }],
    [
      "over since this moment",
      { expiresAt: NOW },
      { code: "expired", expiredAt: NOW.toISOString() },
    ],
    ["not valid yet", { validFrom: later(1) }, { code: "not_yet_valid" }],
    ["locked", { state: "locked", lockedUntil: later(SECOND) }, { code: "locked" }],
    ["of a template without room for the user", { usesLeft: 0 }, { code: "user_limit_reached" }],
    ["of a template without budget", { budgetUsesLeft: 0 }, { code: "budget_exhausted" }],
  ])("when it is %s", (_, rest, reason) => {
    expect(reasonOf(coupon("A", amount(100), rest))).toMatchObject(reason);
  });

  test("no longer when its lock ran out, nor before its end, nor from its beginning on", () => {
    for (const rest of [
      { state: "locked", lockedUntil: NOW },
      { expiresAt: later(1) },
      { validFrom: NOW },
      { usesLeft: 1, budgetUsesLeft: 1 },
    ] as const) {
      expect(reasonOf(coupon("A", amount(100), rest))).toBeUndefined();
    }
  });

  test.each<[string, Partial<Terms>, object]>([
    ["another currency", amount(100, { currency: "USD" }), { code: "other_currency" }],
    ["other goods", amount(100, { goods: ["9"] }), { code: "no_eligible_items", goods: ["9"] }],
    [
      "all but its goods",
      amount(100, { excludedGoods: ["1"] }),
      { code: "no_eligible_items", excludedGoods: ["1"] },
    ],
    [
      "goods whose category it excludes",
      amount(100, { goods: ["1"], excludedCategories: ["a"] }),
      { code: "no_eligible_items" },
    ],
    [
      "a larger order",
      amount(100, { minimumSpend: 1_001 }),
      {
        code: "spend_more",
        amount: 1,
        currency: "CNY",
        detail: "Spend 0.01 CNY more on any item.",
      },
    ],
  ])("when it is for %s", (_, terms, reason) => {
    expect(reasonOf(coupon("A", terms))).toMatchObject(reason);
  });

  test("when it would take off nothing", () => {
    const free = order([1_000]);
    expect(reasonOf(coupon("A", shipping()), free)).toMatchObject({ code: "nothing_to_discount" });
    const cheap = order([4]);
    expect(reasonOf(coupon("A", percent(2_000)), cheap)).toMatchObject({
      code: "nothing_to_discount",
    });
  });

  test("to a minimum in yen, whose smallest unit is a whole one", () => {
    const some = { ...order([1_000]), currency: "JPY" };
    const held = coupon("A", amount(100, { minimumSpend: 1_320, currency: "JPY" }));
    expect(reasonOf(held, some)).toMatchObject({ detail: "Spend 320 JPY more on any item." });
  });

  test("for goods of which there are many, and tells the first ones and how many more there are", () => {
    const goods = Array.from({ length: 200 }, (_, i) => `other-${i}`);
    const excludedCategories = goods.slice(0, limits.discountReasonIdsMax + 1);
    const reason = reasonOf(coupon("A", amount(100, { goods, excludedCategories })));
    expect(reason).toEqual({
      code: "no_eligible_items",
      goods: goods.slice(0, limits.discountReasonIdsMax),
      excludedCategories: goods.slice(0, limits.discountReasonIdsMax),
      more: { goods: 200 - limits.discountReasonIdsMax, excludedCategories: 1 },
      detail:
        "Nothing in the order is what the coupon is for: goods other-0, other-1, other-2 and 197 more, but not category other-0, other-1, other-2 and 8 more.",
    });
    const few = goods.slice(0, limits.discountReasonIdsMax);
    expect(reasonOf(coupon("A", amount(100, { goods: few })))).not.toHaveProperty("more");
  });

  test("is told with the very amount that is missing: one unit less does not do, that much does", () => {
    const property = fc.property(anyOrder, fc.integer({ min: 1, max: 9_999 }), (some, over) => {
      const first = some.items[0];
      fc.pre(first !== undefined);
      const { goods } = first;
      const spent = some.items
        .filter((item) => item.goods === goods)
        .reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);
      const held = coupon("A", amount(1, { goods: [goods], minimumSpend: spent + over }));
      const reason = reasonOf(held, some);
      expect(reason).toMatchObject({ code: "spend_more", amount: over });
      const more = (unitPrice: number): Order => ({
        ...some,
        items: [...some.items, { ...first, quantity: 1, unitPrice }],
      });
      expect(reasonOf(held, more(over - 1))).toMatchObject({ code: "spend_more", amount: 1 });
      expect(reasonOf(held, more(over))).toBeUndefined();
    });
    fc.assert(property);
  });
});

describe("coupons are refused together", () => {
  const group = (stackingGroup: string) => ({ stacking: "group", stackingGroup }) as const;
  const above = { minimumSpend: 5_000 };

  test.each<[string, string, Partial<Terms>, Partial<Terms>]>([
    ["exclusive", "an exclusive one", amount(1, { stacking: "exclusive" }), shipping()],
    ["same_group", "two of a group", amount(1, group("g")), shipping(group("g"))],
    ["one_percent", "two percentages", percent(1), percent(2)],
    ["one_threshold", "two minimums", amount(1, above), amount(2, above)],
    [
      "percent_with_threshold",
      "a percentage and a minimum that do not both stack freely",
      percent(1_000, group("g")),
      amount(1, above),
    ],
  ])("by the rule %s: %s", (rule, _, one, other) => {
    expect(rulesOf(coupon("A", one), coupon("B", other))).toEqual([[rule, ["A", "B"]]]);
  });

  test("by every rule that they break", () => {
    const [one, other] = [percent(1_000, group("g")), percent(2_000, group("g"))];
    expect(rulesOf(coupon("A", one), coupon("B", other), coupon("C", amount(1, above)))).toEqual([
      ["same_group", ["A", "B"]],
      ["one_percent", ["A", "B"]],
      ["percent_with_threshold", ["A", "B", "C"]],
    ]);
  });

  test("as too many, from the sixth on", () => {
    const five = ["A", "B", "C", "D", "E"].map((code) => coupon(code, amount(10)));
    expect(rulesOf(...five)).toEqual([]);
    expect(rulesOf(...five, coupon("F", shipping()))).toEqual([
      ["too_many", ["A", "B", "C", "D", "E", "F"]],
    ]);
  });

  test("as more of a template than it has room for", () => {
    const of = (code: string, usesLeft: number) =>
      coupon(code, amount(10), { templateId: 1, usesLeft });
    expect(rulesOf(of("A", 2), of("B", 2))).toEqual([]);
    expect(rulesOf(of("A", 1), of("B", 1))).toEqual([["template_limit", ["A", "B"]]]);
  });

  test("not as more than there is room for, where the order has locked one: it has its room", () => {
    const own = { state: "locked", lockedUntil: later(SECOND), lockedByOrder: true } as const;
    const room = { templateId: 1, usesLeft: 1 };
    const mine = (code: string) => coupon(code, amount(10), { ...room, ...own });
    const other = (code: string) => coupon(code, amount(10), room);
    expect(rulesOf(other("A"), mine("B"), mine("C"))).toEqual([]);
    expect(rulesOf(other("A"), mine("B"), other("C"))).toEqual([
      ["template_limit", ["A", "B", "C"]],
    ]);
  });

  test("not when they are of two groups, or both stack freely, or one does not apply", () => {
    const far = { minimumSpend: 99_999 };
    for (const [one, other] of [
      [amount(1, group("g")), amount(1, group("h"))],
      [percent(1_000), amount(1, above)],
      [percent(1_000, { ...group("g"), ...above }), amount(1)],
      [amount(1, above), amount(2, far)],
      [amount(1, { stacking: "exclusive", ...far }), amount(2)],
    ] as const) {
      expect(rulesOf(coupon("A", one), coupon("B", other))).toEqual([]);
    }
  });
});

test("very large amounts stay exact, also in the search for the best", () => {
  const large = order([33_333_333_333, 33_333_333_334, 33_333_333_333], { shippingFee: 1 });
  const coupons = [
    coupon("A", amount(10_000_000_001)),
    coupon("B", percent(3_333, { goods: ["1", "2"] })),
    coupon("C", shipping()),
  ];
  const { codes, calculation } = bestCombination(large, coupons, NOW);
  expect(codes).toEqual(["A", "B", "C"]);
  // The exact parts end in .63, .73 and .63: of the two units that rounding down leaves, the second item gets the
  // first, and the first item the other.
  const left = 33_333_333_333 + 33_333_333_334 - 3_333_333_334 - 3_333_333_334;
  const third = Number((BigInt(left) * 3_333n) / 10_000n);
  expect(calculation.discount).toBe(10_000_000_001 + third + 1);
});
