// What must be true of a grab script, as functions that throw when it is not. The same checks run on the real
// script (grab-script.test.ts) and on broken copies of it, which they must catch (mutants.test.ts).

import { expect } from "bun:test";
import type { Redis } from "../../src/redis/client.ts";
import type { Attempt } from "./grab-model.ts";
import { by, type GrabRig, OPEN_GATE } from "./grab-rig.ts";

export type GrabCheck = (rig: GrabRig, redis: Redis) => Promise<void>;

/** How often and how much Redis has written so far: its count of changes and the size of its log. */
async function writesOf(redis: Redis): Promise<string[]> {
  const info = await redis.info("persistence");
  return ["rdb_changes_since_last_save", "aof_current_size"].map(
    (name) => new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? "",
  );
}

/** Runs `work` and demands that Redis holds the same afterwards and has written nothing meanwhile. */
async function expectNoWrites(rig: GrabRig, redis: Redis, work: () => Promise<void>) {
  const before = { seen: await rig.seen(), writes: await writesOf(redis) };
  expect(before.writes.every((text) => text !== "")).toBe(true);
  await work();
  expect({ seen: await rig.seen(), writes: await writesOf(redis) }).toEqual(before);
}

const HOUR_MS = 3_600_000;
const losers: [
  what: string,
  sale: Record<string, string | number>,
  attempt: Attempt,
  reply: string,
][] = [
  ["a sold out sale", { granted: 10, recorded: 10 }, ["9", ""], "sold_out"],
  ["a paused sale", { state: "paused" }, ["9", ""], "paused"],
  ["an ended sale", { closes: Date.now() - HOUR_MS }, ["9", ""], "ended"],
  ["a sale to come", { opens: Date.now() + HOUR_MS }, ["9", ""], "not_started"],
  ["a sale that asks for a key", { limit: 2 }, ["9", ""], "key_required"],
  ["a user at the limit", { limit: 2 }, ["1", "k3"], "limit_reached"],
  ["a user who has won", { total: 10 }, ["2", ""], "repeated 3 1"],
  ["a full backlog", { granted: 5, recorded: 0, total: 99 }, ["9", ""], "backlog"],
];

export const grabChecks = {
  "a won grab is numbered, counted, kept and put into the ledger": async (rig) => {
    await rig.put({ sale: { granted: 4, returned: 1, recorded: 2 } });
    expect(await rig.grab(by(7))).toEqual(["granted 5 1"]);
    const { sale, winners, entries, unrecorded } = await rig.seen();
    expect(sale).toMatchObject({ granted: "5", returned: "1", recorded: "2" });
    expect(winners).toEqual({ 7: "5" });
    expect(unrecorded).toEqual([String(rig.saleId)]);
    expect(entries).toMatchObject([
      {
        kind: "grant",
        saleId: rig.saleId,
        granted: 5,
        returned: 1,
        grants: [{ userId: 7, grantNo: 5, epoch: 5 }],
      },
    ]);
  },

  "the last unit goes to exactly one of two users in one call": async (rig) => {
    await rig.put({ sale: { total: 10, granted: 9, recorded: 9 } });
    expect(await rig.grab(by(1, 2))).toEqual(["granted 10 1", "sold_out"]);
    expect(await rig.grab(by(3))).toEqual(["sold_out"]);
    expect((await rig.seen()).winners).toEqual({ 1: "10" });
  },

  "every unit is sold: who loses does not use one up": async (rig) => {
    await rig.put({ sale: { total: 3, granted: 1 }, winners: { 1: "1" } });
    expect(await rig.grab(by(1, 1, 1, 2, 3, 4))).toEqual([
      ...Array.from({ length: 3 }, () => "repeated 1 1"),
      ...["granted 2 1", "granted 3 1", "sold_out"],
    ]);
  },

  "a user who appears twice in one call wins once": async (rig) => {
    await rig.put({});
    expect(await rig.grab(by(7, 8, 7))).toEqual(["granted 1 1", "granted 2 1", "repeated 1 1"]);
    expect((await rig.seen()).sale.granted).toBe("2");
  },

  "a user who comes again gets the same number, also when all is sold": async (rig) => {
    await rig.put({ sale: { total: 2 } });
    await rig.grab(by(1, 2));
    expect(await rig.grab(by(2, 3, 1))).toEqual(["repeated 2 1", "sold_out", "repeated 1 1"]);
  },

  "nothing is sold while more is granted than a lowered total allows": async (rig) => {
    await rig.put({ sale: { total: 3, granted: 5, recorded: 5 } });
    expect(await rig.grab(by(1, 2))).toEqual(["sold_out", "sold_out"]);
  },

  "units that came back are sold under new numbers": async (rig) => {
    await rig.put({ sale: { total: 2, granted: 2, returned: 1 }, winners: { 1: "1", 2: "" } });
    expect(await rig.grab(by(3, 4, 2))).toEqual(["granted 3 1", "sold_out", "sold_out"]);
  },

  "nothing is sold through a gate that is not open for the caller's epoch": async (rig, redis) => {
    const gates: [Record<string, string>, string][] = [
      [{}, "5"],
      [{ state: "closed", epoch: "5" }, "5"],
      [{ state: "open", epoch: "6" }, "5"],
      [{ state: "open" }, "5"],
      [OPEN_GATE, "4"],
      [OPEN_GATE, ""],
    ];
    for (const [gate, epoch] of gates) {
      await rig.put({ gate });
      await expectNoWrites(rig, redis, async () => {
        expect(await rig.grab(by(1), { epoch })).toBe("fenced");
        expect(await rig.grab([], { epoch })).toBe("fenced");
      });
    }
  },

  "a sale that Redis does not have is missing, not sold out": async (rig, redis) => {
    await rig.put({ sale: {} });
    await expectNoWrites(rig, redis, async () => expect(await rig.grab(by(1))).toBe("missing"));
  },

  "a sale without grants that MySQL has gives no number away again": async (rig, redis) => {
    await rig.put({ sale: { granted: 3, recorded: 4 } });
    await expectNoWrites(rig, redis, async () => expect(await rig.grab(by(1))).toBe("missing"));
  },

  "losers write nothing, neither into memory nor into the log": async (rig, redis) => {
    for (const [what, sale, attempt, reply] of losers) {
      await rig.put({ sale, winners: { 1: "1:k1,2:k2", 2: "3" } });
      await expectNoWrites(rig, redis, async () => {
        expect([what, await rig.grab([attempt, attempt], { backlogMax: 5 })]).toEqual([
          what,
          [reply, reply],
        ]);
      });
    }
  },

  "all winners of a call share one entry with consecutive numbers": async (rig) => {
    await rig.put({ sale: { total: 100, limit: 2 } });
    await rig.grab([
      ["1", "a"],
      ["2", "b"],
      ["1", "c"],
    ]);
    await rig.grab([["3", "d"]]);
    const { entries } = await rig.seen();
    expect(
      entries.map((entry) =>
        entry.kind === "grant"
          ? entry.grants.map((g) => [g.grantNo, g.userId, g.userSlot, g.keyHash])
          : entry,
      ),
    ).toEqual([
      [
        [1, 1, 1, "a"],
        [2, 2, 1, "b"],
        [3, 1, 2, "c"],
      ],
      [[4, 3, 1, "d"]],
    ]);
  },

  "the ledger entry comes first: when it cannot be written nothing else has changed": async (
    rig,
    redis,
  ) => {
    await rig.put({});
    await redis.set(rig.keys.ledger, "not a stream");
    await expectNoWrites(rig, redis, async () => expect(await rig.grab(by(1, 2))).toBe("error"));
  },

  "a counter that is not a whole number sells nothing": async (rig, redis) => {
    for (const name of ["total", "granted", "returned", "recorded", "limit", "opens", "closes"]) {
      for (const value of ["nan", "inf", "-inf", "-1", "x", "", "0.5", "1e300"]) {
        await rig.put({ sale: { limit: 2, total: 3, granted: 2, [name]: value } });
        await expectNoWrites(rig, redis, async () => {
          expect([
            name,
            value,
            await rig.grab([
              ["1", "k"],
              ["1", "l"],
            ]),
          ]).toEqual([name, value, "missing"]);
        });
      }
    }
  },

  "more that came back than was granted sells nothing": async (rig, redis) => {
    await rig.put({ sale: { granted: 3, returned: 4 } });
    await expectNoWrites(rig, redis, async () => expect(await rig.grab(by(1))).toBe("missing"));
  },

  "a user may win up to the limit, with a key for each, and the same key wins once": async (
    rig,
  ) => {
    await rig.put({ sale: { limit: 2 } });
    const attempts: Attempt[] = [
      ["1", "a"],
      ["1", "b"],
      ["1", "a"],
      ["1", "c"],
    ];
    expect(await rig.grab(attempts)).toEqual([
      ...["granted 1 1", "granted 2 2", "repeated 1 1", "limit_reached"],
    ]);
    expect((await rig.seen()).winners).toEqual({ 1: "1:a,2:b" });
  },

  "a slot that was given back can be won again": async (rig) => {
    await rig.put({
      sale: { limit: 2, granted: 17, returned: 1, total: 90 },
      winners: { 1: "17:k,," },
    });
    expect(
      await rig.grab([
        ["1", "l"],
        ["1", "k"],
      ]),
    ).toEqual(["granted 18 2", "repeated 17 1"]);
    expect((await rig.seen()).winners).toEqual({ 1: "17:k,18:l," });
  },

  "nothing that a grab writes has a lifetime": async (rig, redis) => {
    await rig.put({});
    await rig.grab(by(1, 2));
    for (const key of Object.values(rig.keys)) expect(await redis.pttl(key)).toBeLessThan(0);
  },

  "the backlog is bounded in grants, also within one call": async (rig) => {
    await rig.put({ sale: { granted: 3, recorded: 1 } });
    expect(await rig.grab(by(1, 2, 3), { backlogMax: 4 })).toEqual([
      ...["granted 4 1", "granted 5 1", "backlog"],
    ]);
  },
} satisfies Record<string, GrabCheck>;
