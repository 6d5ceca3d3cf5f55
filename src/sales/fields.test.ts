import { expect, test } from "bun:test";
import { countIn, countOrNullIn, instantIn } from "./fields.ts";

const BROKEN = ["", " ", "abc", "NaN", "-1", "1.5", "1e400", "Infinity", String(2 ** 53), "1,000"];

test("a count is a whole number below 2^53, as for grab.lua", () => {
  for (const text of BROKEN) expect([text, countIn(text)]).toEqual([text, undefined]);
  expect(["0", "17", String(2 ** 53 - 1)].map(countIn)).toEqual([0, 17, 2 ** 53 - 1]);
  expect([countIn(null), countIn(undefined)]).toEqual([undefined, undefined]);
});

test("what may be absent is null then, and undefined when it is broken", () => {
  expect([countOrNullIn(null), countOrNullIn("5"), countOrNullIn("x")]).toEqual([
    ...[null, 5, undefined],
  ]);
});

test("an instant is one that a date can hold", () => {
  for (const text of [...BROKEN, "8640000000000001"])
    expect([text, instantIn(text)]).toEqual([text, undefined]);
  expect(instantIn(null)).toBeNull();
  expect(new Date(instantIn("8640000000000000") ?? Number.NaN).toISOString()).toContain("275760");
});
