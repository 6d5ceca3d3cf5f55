import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { GrantRate } from "./rate.ts";

const WINDOW_MS = limits.saleRateSeconds * 1_000;

test("the rate is what was granted since the window began, per second", () => {
  const rate = new GrantRate();
  expect(rate.add(0, 500)).toBe(0);
  expect(rate.add(2_000, 700)).toBe(100);
  expect(rate.add(WINDOW_MS, 700)).toBe(200 / limits.saleRateSeconds);
  // The grants came before 2,000: that reading is where the window begins now.
  expect(rate.add(WINDOW_MS + 2_000, 700)).toBe(0);
});

test("a burst in less than a second is not blown up", () => {
  const rate = new GrantRate();
  rate.add(0, 0);
  expect(rate.add(1, 50)).toBe(50);
});

test("a count or a clock that goes back begins anew", () => {
  const rate = new GrantRate();
  rate.add(0, 100);
  rate.add(1_000, 200);
  expect(rate.add(2_000, 90)).toBe(0);
  expect(rate.add(4_000, 100)).toBe(5);
  expect(rate.add(1_000, 100)).toBe(0);
});
