import { expect, test } from "bun:test";
import fc from "fast-check";
import { makeTrace, replay } from "../../bench/cache.ts";
import { Frequency } from "./frequency.ts";
import { Memory } from "./memory.ts";

const memory = (entriesMax: number, { bytesMax = 2 ** 30, ttlMs = 1_000 } = {}) =>
  new Memory<string | number, object>({ entriesMax, bytesMax, ttlMs });

test("with one percent of the things it has 95 % of what is asked for, where few things are asked for that often", () => {
  const trace = makeTrace({ things: 100_000, requests: 500_000, exponent: 1.5, scan: 0 });
  const { own, lru, fixed } = replay(trace, 1_000);
  console.log(`Zipf 1.5, 1 % of 100,000: W-TinyLFU ${own}, LRU ${lru}, best fixed choice ${fixed}`);
  expect(own).toBeGreaterThanOrEqual(0.95);
  expect(own).toBeGreaterThan(lru);
});

test.each([
  [0.8, 0],
  [1, 0],
  [1, 0.25],
])(
  "with exponent %p and a scan of %p it is near the best fixed choice, and above LRU",
  (exponent, scan) => {
    const trace = makeTrace({ things: 20_000, requests: 200_000, exponent, scan });
    const { own, lru, fixed } = replay(trace, 200);
    console.log(`Zipf ${exponent}, scan ${scan}: W-TinyLFU ${own}, LRU ${lru}, best ${fixed}`);
    expect(own).toBeGreaterThan(lru * 1.1);
    expect(own).toBeGreaterThan(fixed * 0.85);
  },
);

test("a scan leaves what is popular where it is", () => {
  const cache = memory(1_000);
  for (let round = 0; round < 5; round++) {
    for (let key = 0; key < 900; key++) if (!cache.get(key, 0)) cache.set(key, {}, 2, 0);
  }
  for (let key = 1_000; key < 6_000; key++) if (!cache.get(key, 0)) cache.set(key, {}, 2, 0);
  const left = Array.from({ length: 900 }, (_, key) => cache.get(key, 0)).filter(Boolean).length;
  expect(left).toBeGreaterThan(850);
});

test("to look without asking makes nothing more popular than it is", () => {
  const cache = memory(100);
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 99; key++) if (!cache.get(key, 0)) cache.set(key, {}, 2, 0);
  }
  for (let key = 1_000; key < 1_050; key++) {
    for (let times = 0; times < 10; times++) expect(cache.find(key, 0)).toBeUndefined();
    if (!cache.get(key, 0)) cache.set(key, {}, 2, 0);
    for (let times = 0; times < 10; times++) cache.peek(key);
  }
  const left = Array.from({ length: 99 }, (_, key) => cache.peek(key)).filter(Boolean).length;
  expect(left).toBeGreaterThan(95);
});

test("yesterday's favourites give way to today's", () => {
  const cache = memory(100);
  const use = (first: number) => {
    for (let round = 0; round < 40; round++) {
      for (let key = first; key < first + 90; key++)
        if (!cache.get(key, 0)) cache.set(key, {}, 2, 0);
    }
  };
  use(0);
  use(1_000);
  const kept = Array.from({ length: 90 }, (_, key) => cache.get(1_000 + key, 0)).filter(Boolean);
  expect(kept.length).toBeGreaterThan(80);
});

test("entries and bytes stay within their bounds, whatever is put in", () => {
  const entry = fc.tuple(
    fc.integer({ min: 0, max: 60 }),
    fc.integer({ min: 0, max: 9_000 }),
    fc.boolean(),
  );
  const property = fc.property(fc.array(entry, { maxLength: 300 }), (entries) => {
    const cache = memory(20, { bytesMax: 20_000 });
    for (const [key, bytes, deletes] of entries) {
      cache.get(key, 0);
      if (deletes) cache.delete(key);
      else cache.set(key, { key }, bytes, 0);
      expect(cache.entries).toBeLessThanOrEqual(20);
      expect(cache.bytes).toBeLessThanOrEqual(20_000);
    }
    cache.clear();
    expect([cache.entries, cache.bytes]).toEqual([0, 0]);
  });
  fc.assert(property);
});

test("a slot loses its value when it is deleted, replaced, pushed out or cleared", () => {
  const cache = memory(10);
  const [first, second, third] = [
    cache.set("a", { n: 1 }, 2, 0),
    cache.set("a", { n: 2 }, 2, 0),
    cache.set("b", {}, 2, 0),
  ];
  expect([first.value, second.value]).toEqual([undefined, { n: 2 }]);
  cache.delete("a");
  expect(second.value).toBeUndefined();
  cache.clear();
  expect(third.value).toBeUndefined();
  const slots = Array.from({ length: 50 }, (_, key) => cache.set(key, { key }, 2, 0));
  for (const [key, slot] of slots.entries()) {
    expect(cache.get(key, 0) === slot).toBe(slot.value !== undefined);
  }
  expect(slots.filter(({ value }) => value !== undefined)).toHaveLength(cache.entries);
});

test("what is older than its time is not there", () => {
  const cache = memory(10, { ttlMs: 1_000 });
  const slot = cache.set("a", {}, 2, 5_000);
  expect(cache.get("a", 5_999)).toBe(slot);
  expect(cache.get("a", 6_000)).toBeUndefined();
  expect([slot.value, cache.entries]).toEqual([undefined, 0]);
});

test("the estimate is never too low while nothing has aged", () => {
  const frequency = new Frequency(100);
  for (let times = 1; times <= 10; times++) {
    for (const key of ["a", "b", 1, 2 ** 40, -1]) {
      frequency.count(frequency.hashOf(key));
      expect(frequency.of(frequency.hashOf(key))).toBeGreaterThanOrEqual(times);
    }
  }
  expect(frequency.of(frequency.hashOf("never"))).toBeLessThan(10);
});
