import { expect, test } from "bun:test";
import fc from "fast-check";
import { counterOf, headOf, renderPage } from "./seller-page.ts";

test("a page is correct JSON for every name and description", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  const property = fc.property(text, text, (name, description) => {
    const page = {
      sellerId: 1,
      version: "v",
      saleIds: [1, 2],
      saleKeys: ["a", "b"],
      heads: [headOf(name, 5, description), headOf("second", 0, "")],
    };
    const counters = [counterOf(10, 4, 1), counterOf(3, 3, 0)];
    expect(JSON.parse(renderPage(page, counters))).toEqual([
      { name, stock: 5, description, amount: 10, left: 7 },
      { name: "second", stock: 0, description: "", amount: 3, left: 0 },
    ]);
  });
  fc.assert(property);
});

test("a page without lines is empty text", () => {
  const page = { sellerId: 1, version: "v", saleIds: [], saleKeys: [], heads: [] };
  expect(renderPage(page, [])).toBe("");
});

test("returned units are left again, and never fewer than none are left", () => {
  expect(counterOf(10, 10, 3)).toEqual({ total: 10, left: 3 });
  expect(counterOf(5, 9, 1)).toEqual({ total: 5, left: 0 });
});
