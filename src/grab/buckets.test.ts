import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { burstOf, GrabBuckets } from "./buckets.ts";

const NOW = 1_800_000_000_000;
const INTERVAL_MS = 1_000 / limits.grabsPerSecond;
const BURST = burstOf(limits.grabsPerSecond);
const SALE = 7;

function fixture() {
  const clock = { time: NOW, now: () => clock.time };
  const buckets = new GrabBuckets(clock);
  /** How many tokens the user gets before the first refusal. */
  const drain = (userId: number) => {
    let taken = 0;
    while (buckets.take(SALE, userId) >= 0) taken += 1;
    return taken;
  };
  return { clock, buckets, drain };
}

test("a user who was away may grab a whole burst at once, and not once more", () => {
  const { buckets, drain } = fixture();
  expect(drain(1)).toBe(BURST);
  expect(buckets.take(SALE, 1)).toBeLessThan(0);
});

test("an empty bucket gives one token per interval, for ever", () => {
  const { clock, buckets, drain } = fixture();
  drain(1);
  for (let round = 0; round < 100; round += 1) {
    clock.time += INTERVAL_MS;
    expect(buckets.take(SALE, 1)).toBeGreaterThanOrEqual(0);
    expect(buckets.take(SALE, 1)).toBeLessThan(0);
  }
});

test("tokens gather while the user is away, up to the burst", () => {
  const { clock, drain } = fixture();
  drain(1);
  clock.time += 3 * INTERVAL_MS;
  expect(drain(1)).toBe(3);
  clock.time += 3_600_000;
  expect(drain(1)).toBe(BURST);
});

test("a refusal tells whole seconds after which the next grab is let through", () => {
  const { clock, buckets, drain } = fixture();
  drain(1);
  const seconds = -buckets.take(SALE, 1);
  expect(Number.isInteger(seconds)).toBe(true);
  clock.time += seconds * 1_000;
  expect(buckets.take(SALE, 1)).toBeGreaterThanOrEqual(0);
});

test("a refused grab takes nothing: asking on does not lengthen the wait", () => {
  const { clock, buckets, drain } = fixture();
  drain(1);
  for (let i = 0; i < 1_000; i += 1) buckets.take(SALE, 1);
  clock.time += INTERVAL_MS;
  expect(buckets.take(SALE, 1)).toBeGreaterThanOrEqual(0);
});

test("each user has a bucket of one's own, at each sale", () => {
  const { buckets, drain } = fixture();
  drain(1);
  expect(drain(2)).toBe(BURST);
  expect(buckets.take(SALE + 1, 1)).toBe(BURST - 1);
});

test("it says how many tokens are left, and asking takes none", () => {
  const { clock, buckets } = fixture();
  expect(buckets.left(SALE, 1)).toBe(BURST);
  expect(buckets.take(SALE, 1)).toBe(BURST - 1);
  expect(buckets.left(SALE, 1)).toBe(BURST - 1);
  clock.time += INTERVAL_MS;
  expect(buckets.left(SALE, 1)).toBe(BURST);
});

test("a sale may have a rate of its own, whatever it is", () => {
  for (const perSecond of [1, 3, 7, 999]) {
    const { buckets } = fixture();
    let taken = 0;
    while (buckets.take(SALE, 1, perSecond) >= 0) taken += 1;
    expect(taken).toBe(burstOf(perSecond));
  }
});

test("a clock that is set back does not lock users out", () => {
  const { clock, buckets, drain } = fixture();
  drain(1);
  clock.time -= 3_600_000;
  expect(-buckets.take(SALE, 1)).toBeLessThanOrEqual(1);
});

test("a storm of others empties nobody's bucket of refusals, in a table that does not grow", () => {
  const { clock, buckets, drain } = fixture();
  drain(1);
  for (let user = 2; user < 4 * limits.grabBucketsMax; user += 1) {
    buckets.take(SALE, user);
    if (user % (limits.grabBucketsMax / 2) === 0) {
      clock.time += INTERVAL_MS;
      expect(buckets.take(SALE, 1)).toBeGreaterThanOrEqual(0);
      expect(buckets.take(SALE, 1)).toBeLessThan(0);
    }
  }
});

test("users whose ids differ in the high digits only have buckets of their own", () => {
  const { drain } = fixture();
  const far = 0x1_0000_0000;
  for (const id of [5, 5 + far, 5 + 2 * far, 999_999_999_999_999]) {
    expect(drain(id)).toBe(BURST);
  }
});

test("what is given back is as if it had not been taken, and nobody gets more than a burst by it", () => {
  const { clock, buckets, drain } = fixture();
  expect(drain(1)).toBe(BURST);
  for (let n = 0; n < 3; n += 1) buckets.giveBack(SALE, 1);
  expect(drain(1)).toBe(3);
  clock.time += 3_600_000;
  buckets.giveBack(SALE, 1);
  buckets.giveBack(SALE, 2);
  expect([drain(1), drain(2)]).toEqual([BURST, BURST]);
});
