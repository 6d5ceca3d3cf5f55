// What `bun run chaos` draws from its seed.

import { expect, test } from "bun:test";
import { type FaultKind, type Step, scheduleOf } from "../chaos/schedule.ts";

const COUNT = 60;

function draw(
  seed: string,
  { loss = false, without = [] as FaultKind[] } = {},
  count = COUNT,
): Step[] {
  const schedule = scheduleOf({ seed, loss, apis: 2, without: new Set(without) });
  return Array.from({ length: count }, () => schedule.next().value as Step);
}

const kindsIn = (steps: Step[]): Set<string> =>
  new Set(steps.flatMap(({ faults }) => faults.map(({ kind }) => kind)));

test("a seed always draws the same schedule, and another seed another one", () => {
  expect(draw("7")).toEqual(draw("7"));
  expect(draw("7")).not.toEqual(draw("8"));
});

test("every kind of fault comes once before one comes again alone", () => {
  const alone = draw("7", {}, 29).flatMap(({ faults }) => (faults.length === 1 ? faults : []));
  const plain = alone.map(({ kind }) => kind).filter((kind) => kind !== "link");
  expect(new Set(plain).size).toBe(plain.length);
  expect(plain.length).toBeGreaterThanOrEqual(18);
  expect(alone.length - plain.length).toBe(6);
});

test("faults last from 0.3 to 6 seconds", () => {
  for (const { faults } of draw("7")) {
    for (const { forMs } of faults) {
      expect(forMs).toBeGreaterThanOrEqual(300);
      expect(forMs).toBeLessThanOrEqual(6_000);
    }
  }
});

test("some come in pairs, and never two of one kind", () => {
  const pairs = ["1", "2", "3"].flatMap((seed) =>
    draw(seed).filter(({ faults }) => faults.length === 2),
  );
  expect(pairs.length).toBeGreaterThan(10);
  for (const { faults } of pairs) expect(faults[0]?.kind).not.toBe(faults[1]?.kind);
});

test("data is taken away only on demand", () => {
  const losses = ["redis emptied", "redis lost its tail"];
  expect(losses.filter((kind) => kindsIn(draw("7")).has(kind))).toEqual([]);
  expect(losses.filter((kind) => kindsIn(draw("7", { loss: true })).has(kind))).toEqual(losses);
});

test("what the machine cannot do is left out", () => {
  expect(kindsIn(draw("7"))).toContain("disk full");
  expect(kindsIn(draw("7", { without: ["disk full"] }))).not.toContain("disk full");
});
