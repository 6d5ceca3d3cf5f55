// docs/discounts.md is the rules as people read them: its examples are computed here, as the page has them.

import { describe, expect, test } from "bun:test";
import { coupon, NOW } from "../../test/harness/discounts.ts";
import { bestCombination } from "./best/best.ts";
import { calculate } from "./calculate.ts";
import type { Order, Terms } from "./order.ts";
import { REASONS, RULES } from "./outcome.ts";

interface Example {
  readonly order: Order;
  readonly coupons: Record<string, Partial<Terms>>;
  readonly answer?: object;
  readonly best?: string[];
}

const page = await Bun.file(new URL("../../docs/discounts.md", import.meta.url)).text();
const blocks = [...page.matchAll(/\n([^\n]+)\n\n```json\n([\s\S]*?)\n```/g)];
const examples = blocks.map(([, line = "", text = ""]): [string, Example] => [
  line,
  JSON.parse(text) as Example,
]);

describe("the page about discounts", () => {
  test("has its examples", () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
    expect(examples.length).toBe(page.split("```json").length - 1);
  });

  test("names every reason and every rule", () => {
    const named = new Set([...page.matchAll(/`(\w+)`/g)].map(([, word]) => word ?? ""));
    expect([...REASONS, ...RULES].filter((word) => !named.has(word))).toEqual([]);
  });

  test.each(examples)("is right: %s", (_, { order, coupons, answer, best }) => {
    expect(answer ?? best).toBeDefined();
    const held = Object.entries(coupons).map(([code, terms]) => coupon(code, terms));
    if (answer) expect(calculate(order, held, NOW)).toMatchObject(answer);
    if (best) expect(bestCombination(order, held, NOW).codes).toEqual(best);
  });
});
