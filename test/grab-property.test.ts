// grab.lua against a small model, on random sequences of calls: whatever is asked, in whatever state, the
// script answers, writes and leaves alone exactly what the model says.

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { shardScripts } from "../src/grab/scripts.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { decide, type GrabReply, type GrabState } from "./harness/grab-model.ts";
import { type GrabRig, grabRig, OPEN_GATE, OPEN_SALE } from "./harness/grab-rig.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

const HOUR_MS = 3_600_000;
let redis: Redis;
let script: string;
let nextSale = 1;

beforeAll(async () => {
  const { url } = await startRedis();
  redis = connectRedis(url, "grabs", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
  script = shardScripts("property").grab.text;
});
afterAll(stopEverything);

const users = fc.integer({ min: 1, max: 6 }).map(String);
const keyHashes = fc.constantFrom("", "", "k1", "k2", "k3");
const small = (max: number) => fc.integer({ min: 0, max }).map(String);
/** Mostly what it should be, at times what a damaged Redis might hold. */
const damaged = (good: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 30, arbitrary: good },
    { weight: 1, arbitrary: fc.constantFrom("nan", "inf", "-inf", "-1", "abc", "", "1.5") },
  );

const calls = fc.array(
  fc.record({
    attempts: fc.array(fc.tuple(users, keyHashes), { maxLength: 8 }),
    backlogMax: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1_000) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }) },
    ),
    epoch: fc.oneof(
      { weight: 9, arbitrary: fc.constant(OPEN_GATE.epoch) },
      { weight: 1, arbitrary: fc.constantFrom("4", "6", "05") },
    ),
  }),
  { minLength: 1, maxLength: 6 },
);

const soldBefore = fc.tuple(small(4), small(4), small(4));
const sales = fc
  .record({
    state: fc.oneof(
      { weight: 9, arbitrary: fc.constant("open") },
      { weight: 1, arbitrary: fc.constantFrom("paused", "ended", "draft") },
    ),
    total: damaged(small(8)),
    counters: soldBefore,
    damage: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.constantFrom("granted", "returned", "recorded", "limit", "opens", "closes"),
          damaged(small(4)),
        ),
      },
    ),
    limit: fc.constantFrom("1", "1", "2", "3"),
    opens: fc.constantFrom(undefined, undefined, -HOUR_MS, -HOUR_MS, HOUR_MS),
    closes: fc.constantFrom(undefined, undefined, HOUR_MS, HOUR_MS, -HOUR_MS),
  })
  .map(({ counters, damage, opens, closes, ...sale }) => {
    const [returned, more, behind] = counters.map(Number) as [number, number, number];
    const granted = returned + more;
    const fields: Record<string, string> = {
      ...sale,
      ...{
        granted: `${granted}`,
        returned: `${returned}`,
        recorded: `${Math.max(0, granted - behind)}`,
      },
      ...(opens === undefined ? {} : { opens: `${Date.now() + opens}` }),
      ...(closes === undefined ? {} : { closes: `${Date.now() + closes}` }),
    };
    if (damage) fields[damage[0]] = damage[1];
    return fields;
  });

const gates = fc.oneof(
  { weight: 15, arbitrary: fc.constant<Record<string, string>>({ ...OPEN_GATE }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Record<string, string>[]>(
      ...[{}, { state: "closed", epoch: "5" }, { epoch: "5" }, { state: "open" }],
    ),
  },
);
/** What users may hold already: all of it, a part that came back, a slot of each kind. */
const holdings = fc.dictionary(
  users,
  fc.constantFrom("90", "91:k1", "92:k1,", ",93:k2", "94:k1,,95:k2", ","),
  { maxKeys: 3 },
);

const starts = fc.record({
  gate: gates,
  sale: fc.oneof<fc.MaybeWeightedArbitrary<Record<string, string>>[]>(
    { weight: 20, arbitrary: sales },
    { weight: 1, arbitrary: fc.constant({}) },
  ),
  winners: holdings,
});

/** What the stream must say, in the words of the model. */
const entriesOf = (seen: Awaited<ReturnType<GrabRig["seen"]>>) =>
  seen.entries.map((entry) => {
    if (entry.kind !== "grant") throw new Error(`the script wrote ${JSON.stringify(entry)}`);
    const [first] = entry.grants;
    return {
      ...{ epoch: first?.epoch ?? 0, first: first?.grantNo ?? 0 },
      ...{ granted: entry.granted, returned: entry.returned },
      winners: entry.grants.map(({ userId, userSlot, keyHash }) => ({
        ...{ user: String(userId), slot: userSlot, key: keyHash ?? "" },
      })),
    };
  });

const whole = (text: string | undefined): number => (/^\d+$/.test(text ?? "") ? Number(text) : 0);

function expectPromises(
  before: Record<string, string>,
  state: GrabState,
  numbers: Set<number>,
  reply: GrabReply,
): void {
  const active = whole(state.sale.granted) - whole(state.sale.returned);
  const activeBefore = whole(before.granted) - whole(before.returned);
  if (active > activeBefore) expect(active).toBeLessThanOrEqual(whole(state.sale.total));
  if (!Array.isArray(reply)) return;
  for (const word of reply) {
    const number = /^granted (\d+)/.exec(word)?.[1];
    if (!number) continue;
    expect(numbers.has(Number(number))).toBe(false);
    numbers.add(Number(number));
  }
}

test("grab.lua does what the model does, whatever is asked in whatever state", async () => {
  await fc.assert(
    fc.asyncProperty(starts, calls, async (start, asked) => {
      const rig = await grabRig(redis, script, nextSale++);
      await rig.put(start);
      const sale = Object.keys(start.sale).length > 0 ? { ...start.sale } : {};
      const state: GrabState = {
        ...{ gate: { ...start.gate }, sale, winners: { ...start.winners } },
        ...{ unrecorded: [], entries: [] },
      };
      const numbers = new Set<number>();
      for (const call of asked) {
        const before = { ...state.sale };
        const expected = decide(state, { ...call, saleId: rig.saleId }, Date.now());
        const reply = await rig.grab(call.attempts, call);
        expect(reply).toEqual(expected);
        const seen = await rig.seen();
        expect<GrabState>({ ...seen, entries: entriesOf(seen) }).toEqual(state);
        expectPromises(before, state, numbers, reply);
      }
    }),
    { numRuns: 600 },
  );
});

test("the model itself sells: it is not the one that refuses everything", () => {
  const state: GrabState = {
    ...{ gate: { ...OPEN_GATE }, winners: {}, unrecorded: [], entries: [] },
    sale: Object.fromEntries(
      Object.entries({ ...OPEN_SALE, total: 1 }).map(([k, v]) => [k, String(v)]),
    ),
  };
  const call = {
    epoch: "5",
    backlogMax: 9,
    saleId: 1,
    attempts: [
      ["1", ""],
      ["2", ""],
      ["1", ""],
    ] as const,
  };
  expect(decide(state, call, 0)).toEqual(["granted 1 1", "sold_out", "repeated 1 1"]);
});
