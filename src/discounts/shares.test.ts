import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { divided } from "./rounding.ts";
import { split } from "./shares.ts";

const places = (left: readonly number[]) => [...left.keys()];
const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);

describe("rounding", () => {
  test("is down, and exact where the product has more than 53 bits", () => {
    const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const property = fc.property(whole, whole, fc.integer({ min: 1, max: 2 ** 52 }), (a, b, by) => {
      const [factor, other] = [a % by, b];
      const exact = BigInt(factor) * BigInt(other);
      const { quotient, remainder } = divided(factor, other, by);
      expect([BigInt(quotient), BigInt(remainder)]).toEqual([
        exact / BigInt(by),
        exact % BigInt(by),
      ]);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test("takes 33 % of 1 as nothing and 99.99 % of 10,000 as 9,999", () => {
    expect(divided(1, 3_300, 10_000).quotient).toBe(0);
    expect(divided(10_000, 9_999, 10_000).quotient).toBe(9_999);
  });
});

describe("shares", () => {
  const amounts = fc.oneof(
    fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 12 }),
    fc.array(fc.integer({ min: 0, max: 10 ** 14 }), { minLength: 1, maxLength: 12 }),
  );
  const cases = fc
    .tuple(amounts, fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([left, part]) => ({ left, amount: Math.floor(sum(left) * part) }));

  test("add up exactly, and take from no item more than is left of it", () => {
    const property = fc.property(cases, ({ left, amount }) => {
      const shares = split(amount, sum(left), left, places(left));
      expect(sum(shares)).toBe(amount);
      for (const [i, share] of shares.entries()) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(left[i] ?? 0);
      }
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("are the exact part rounded down or up, and up where most was lost", () => {
    const property = fc.property(cases, ({ left, amount }) => {
      const total = sum(left);
      fc.pre(total > 0);
      const shares = split(amount, total, left, places(left));
      const parts = left.map((one) => divided(amount, one, total));
      const isUp = shares.map((share, i) => share - (parts[i]?.quotient ?? 0));
      expect(isUp.every((more) => more === 0 || more === 1)).toBeTrue();
      const lost = (up: number) =>
        parts.filter((_, i) => isUp[i] === up).map(({ remainder }) => remainder);
      expect(Math.min(...lost(1))).toBeGreaterThanOrEqual(Math.max(0, ...lost(0)));
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("give the odd unit to the first of equal items", () => {
    expect(split(100, 300, [100, 100, 100], [0, 1, 2])).toEqual([34, 33, 33]);
    expect(split(2, 3, [1, 1, 1], [0, 1, 2])).toEqual([1, 1, 0]);
  });

  test("touch only the items at their places", () => {
    expect(split(50, 300, [999, 100, 999, 200], [1, 3])).toEqual([17, 33]);
    expect(split(0, 0, [0, 7], [0])).toEqual([0]);
  });
});
