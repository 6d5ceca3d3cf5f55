import { describe, expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { allShards, saleKeys } from "../redis/keys.ts";
import { Gates } from "./gates.ts";
import type { GrabOutcome } from "./outcome.ts";
import { createGrabQueue, type QueueEvents } from "./queue.ts";

const SALE = 35;
const SHARD = 3;
const PER_CALL = limits.grabCallAttemptsMax;
const IN_FLIGHT = limits.grabCallsInFlightMax;

interface Call {
  readonly sha: string;
  readonly keys: string[];
  readonly epoch: number;
  readonly saleId: number;
  readonly users: string[];
  readonly keyHashes: string[];
  answer(reply: unknown): Promise<void>;
  fail(message: string): Promise<void>;
}

/** Lets everything run that was due: promises, then what waits for the end of this turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function fixture() {
  const calls: Call[] = [];
  const redis = {
    evalsha(sha: string, keyCount: number, ...args: (string | number)[]) {
      const attempts = args.slice(keyCount + 3).map(String);
      return new Promise((resolve, reject) => {
        calls.push({
          sha,
          keys: args.slice(0, keyCount).map(String),
          epoch: Number(args[keyCount]),
          saleId: Number(args[keyCount + 2]),
          users: attempts.filter((_, i) => i % 2 === 0),
          keyHashes: attempts.filter((_, i) => i % 2 === 1),
          answer(reply) {
            resolve(reply);
            return turn();
          },
          fail(message) {
            reject(new Error(message));
            return turn();
          },
        });
      });
    },
  };
  const heard: string[] = [];
  const events: QueueEvents = {
    called: (attempts) => heard.push(`called ${attempts}`),
    granted: (saleId, no, user, slot, key) =>
      heard.push(`granted ${saleId} ${no} ${user} ${slot} ${key}`),
    soldOut: (saleId) => heard.push(`sold out ${saleId}`),
    missing: (saleId, gate) => heard.push(`missing ${saleId} ${gate.epoch}`),
  };
  const closed: string[] = [];
  const gates = new Gates((shard) => closed.push(`closed ${shard}`));
  for (const shard of allShards) gates.open(shard, 1, "one");
  const queue = createGrabQueue(
    { redis: redis as unknown as Redis, gates, log: createLog("silent") },
    events,
  );
  /** Grabs of one sale by users 1, 2, 3 …; the outcomes come in one list. */
  const grabMany = (count: number, saleId = SALE) => {
    const outcomes: GrabOutcome[] = [];
    for (let user = 1; user <= count; user += 1) {
      void queue.grab(saleId, String(user), "").then((outcome) => outcomes.push(outcome));
    }
    return outcomes;
  };
  return { calls, heard, gates, closed, queue, grabMany };
}

const grantAll = (call: Call, first = 1) =>
  call.answer(call.users.map((_, i) => `granted ${first + i} 1`));

const reasons = (outcomes: readonly GrabOutcome[]) => [
  ...new Set(outcomes.map((o) => (o.kind === "unavailable" ? o.reason : o.kind))),
];

describe("group commit", () => {
  test("a single attempt is sent in the same turn of the event loop, with all the script needs", async () => {
    const { calls, gates, queue } = fixture();
    const outcome = queue.grab(SALE, "7", "abc");
    await turn();
    const keys = saleKeys(SALE);
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({
      sha: gates.at(SHARD)?.scripts.grab.sha,
      keys: [keys.gate, keys.sale, keys.winners, keys.ledger, keys.unrecorded],
      ...{ epoch: 1, saleId: SALE, users: ["7"], keyHashes: ["abc"] },
    });
    await calls[0]?.answer(["granted 17 1"]);
    expect(await outcome).toEqual({ kind: "granted", number: 17 });
  });

  test("attempts of one turn share a call", async () => {
    const { calls, grabMany } = fixture();
    grabMany(5);
    await turn();
    expect(calls.map((call) => call.users)).toEqual([["1", "2", "3", "4", "5"]]);
  });

  test("attempts that come while all calls are under way travel together in the next one", async () => {
    const { calls, grabMany } = fixture();
    for (let i = 0; i < IN_FLIGHT; i += 1) {
      grabMany(1);
      await turn();
    }
    const outcomes = grabMany(50);
    await turn();
    expect(calls).toHaveLength(IN_FLIGHT);
    await grantAll(calls[0] as Call);
    expect(calls).toHaveLength(IN_FLIGHT + 1);
    expect(calls[IN_FLIGHT]?.users).toHaveLength(50);
    await grantAll(calls[IN_FLIGHT] as Call, 3);
    expect(outcomes.map((o) => o.kind === "granted" && o.number)).toEqual(
      Array.from({ length: 50 }, (_, i) => 3 + i),
    );
  });

  test("a call carries no more than its share, and no more calls are under way than allowed", async () => {
    const { calls, grabMany } = fixture();
    const attempts = IN_FLIGHT * PER_CALL + PER_CALL + 1;
    const outcomes = grabMany(attempts);
    await turn();
    expect(calls.map((call) => call.users.length)).toEqual(
      Array.from({ length: IN_FLIGHT }, () => PER_CALL),
    );
    for (let answered = 0; answered < calls.length; answered += 1) {
      expect(calls.length - answered).toBeLessThanOrEqual(IN_FLIGHT);
      await grantAll(calls[answered] as Call);
    }
    expect(outcomes).toHaveLength(attempts);
    expect(calls.at(-1)?.users).toEqual([String(attempts)]);
  });

  test("each attempt gets its own answer, in the order in which they came", async () => {
    const { calls, grabMany, heard } = fixture();
    const outcomes = grabMany(4);
    await turn();
    await calls[0]?.answer(["granted 9 1", "repeated 3 1", "sold_out", "granted 10 2"]);
    expect(outcomes).toEqual([
      { kind: "granted", number: 9 },
      { kind: "repeated", number: 3 },
      { kind: "sold_out" },
      { kind: "granted", number: 10 },
    ]);
    expect(heard).toEqual(["granted 35 9 1 1 ", "granted 35 10 4 2 ", "sold out 35", "called 4"]);
  });

  test("sales do not wait for each other", async () => {
    const { calls, grabMany } = fixture();
    grabMany(1);
    await turn();
    grabMany(1);
    await turn();
    grabMany(2, SALE + 1);
    await turn();
    expect(calls.map((call) => call.saleId)).toEqual([SALE, SALE, SALE + 1]);
  });

  test("a sale that was quiet for a while is served like a new one", async () => {
    const { calls, grabMany, queue } = fixture();
    for (let round = 0; round < 3; round += 1) {
      const outcomes = grabMany(1);
      await turn();
      await grantAll(calls[round] as Call);
      expect(reasons(outcomes)).toEqual(["granted"]);
    }
    expect(queue.waiting()).toBe(0);
  });
});

describe("too many", () => {
  test("what does not fit is refused at once, and what waits is answered", async () => {
    const { calls, queue, grabMany } = fixture();
    const fits = IN_FLIGHT * PER_CALL;
    const sent = grabMany(fits);
    await turn();
    const waiting = grabMany(limits.grabWaitingAttemptsMax);
    const refused = grabMany(3);
    await turn();
    expect(queue.waiting()).toBe(limits.grabWaitingAttemptsMax);
    expect(reasons(refused)).toEqual(["overloaded"]);
    for (let i = 0; i < calls.length; i += 1) await grantAll(calls[i] as Call);
    expect(reasons([...sent, ...waiting])).toEqual(["granted"]);
    expect(waiting).toHaveLength(limits.grabWaitingAttemptsMax);
    expect(queue.waiting()).toBe(0);
  });
});

describe("failures", () => {
  test("a call without an answer leaves its attempts unknown; those behind it were never sent", async () => {
    const { calls, gates, queue, grabMany } = fixture();
    const sent = grabMany(PER_CALL * IN_FLIGHT);
    await turn();
    const behind = grabMany(7);
    await calls[0]?.fail("Command timed out");
    expect(sent).toHaveLength(PER_CALL);
    expect(reasons(sent)).toEqual(["unknown"]);
    expect(behind).toHaveLength(7);
    expect(reasons(behind)).toEqual(["overloaded"]);
    expect(queue.waiting()).toBe(0);
    expect(gates.at(SHARD)).toBeDefined();
    await grantAll(calls[1] as Call);
    expect(sent).toHaveLength(PER_CALL * IN_FLIGHT);
  });

  test.each(["NOSCRIPT No matching script.", "READONLY You can't write"])(
    "a fence refuses before the script begins: %p is no unknown outcome, and closes the gate",
    async (message) => {
      const { calls, gates, closed, grabMany } = fixture();
      const outcomes = grabMany(3);
      await turn();
      await calls[0]?.fail(message);
      expect(reasons(outcomes)).toEqual(["recovering"]);
      expect(gates.at(SHARD)).toBeUndefined();
      expect(closed).toEqual(["closed 3"]);
    },
  );

  test("the late error of an old gate does not close a newer one", async () => {
    const { calls, gates, closed, grabMany } = fixture();
    grabMany(1);
    await turn();
    grabMany(1);
    await turn();
    await calls[0]?.fail("NOSCRIPT No matching script.");
    gates.open(SHARD, 2, "two");
    await calls[1]?.fail("NOSCRIPT No matching script.");
    expect(gates.at(SHARD)?.epoch).toBe(2);
    expect(closed).toHaveLength(1);
  });

  test("the late `fenced` of an old gate does not close a newer one", async () => {
    const { calls, gates, grabMany } = fixture();
    const outcomes = grabMany(1);
    await turn();
    gates.open(SHARD, 2, "two");
    await calls[0]?.answer("fenced");
    expect(gates.at(SHARD)?.epoch).toBe(2);
    expect(reasons(outcomes)).toEqual(["recovering"]);
  });

  test("a fenced call closes the gate and its attempts are told to come back", async () => {
    const { calls, gates, grabMany } = fixture();
    const outcomes = grabMany(2);
    await turn();
    await calls[0]?.answer("fenced");
    expect(reasons(outcomes)).toEqual(["recovering"]);
    expect(gates.at(SHARD)).toBeUndefined();
  });

  test("a missing sale is reported with the epoch under which it was asked for, and the gate stays", async () => {
    const { calls, gates, heard, grabMany } = fixture();
    const outcomes = grabMany(1);
    await turn();
    await calls[0]?.answer("missing");
    expect(reasons(outcomes)).toEqual(["recovering"]);
    expect(heard).toContain("missing 35 1");
    expect(gates.at(SHARD)).toBeDefined();
  });

  test("while the gate is closed nothing is sent, not even what waited before", async () => {
    const { calls, gates, queue, grabMany } = fixture();
    for (let i = 0; i < IN_FLIGHT; i += 1) {
      grabMany(1);
      await turn();
    }
    const waiting = grabMany(5);
    const gate = gates.at(SHARD);
    if (gate) gates.close(SHARD, gate, "test");
    const after = grabMany(5);
    await grantAll(calls[0] as Call);
    expect(calls).toHaveLength(IN_FLIGHT);
    expect(reasons([...waiting, ...after])).toEqual(["recovering"]);
    expect(queue.waiting()).toBe(0);
  });

  test("a word that nobody knows leaves its attempts unknown and the queue working", async () => {
    const { calls, queue, grabMany } = fixture();
    const odd = grabMany(2);
    await turn();
    await calls[0]?.answer(["granted 1 1", "gibberish"]);
    expect(odd[0]).toEqual({ kind: "granted", number: 1 });
    expect(reasons(odd.slice(1))).toEqual(["unknown"]);
    const next = grabMany(1);
    await turn();
    await grantAll(calls[1] as Call);
    expect(reasons(next)).toEqual(["granted"]);
    expect(queue.waiting()).toBe(0);
  });

  test("an answer that is too short leaves the rest unknown", async () => {
    const { calls, grabMany } = fixture();
    const outcomes = grabMany(3);
    await turn();
    await calls[0]?.answer(["sold_out"]);
    expect(outcomes).toHaveLength(3);
    expect(reasons(outcomes)).toEqual(["sold_out", "unknown"]);
  });
});
