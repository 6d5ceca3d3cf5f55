import { describe, expect, test } from "bun:test";
import {
  type Call,
  grantAll,
  queueRig,
  reasons,
  SALE,
  SHARD,
  turn,
} from "../../test/harness/queue-rig.ts";
import { limits } from "../limits.ts";
import { saleKeys } from "../redis/keys.ts";

const PER_CALL = limits.grabCallAttemptsMax;
const IN_FLIGHT = limits.grabCallsInFlightMax;

describe("group commit", () => {
  test("a single attempt is sent in the same turn of the event loop, with all the script needs", async () => {
    const { calls, gates, queue } = queueRig();
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
    const { calls, grabMany } = queueRig();
    grabMany(5);
    await turn();
    expect(calls.map((call) => call.users)).toEqual([["1", "2", "3", "4", "5"]]);
  });

  test("attempts that come while all calls are under way travel together in the next one", async () => {
    const { calls, grabMany } = queueRig();
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
    const { calls, grabMany } = queueRig();
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
    const { calls, grabMany, heard } = queueRig();
    const outcomes = grabMany(4);
    await turn();
    await calls[0]?.answer(["granted 9 1", "repeated 3 1", "sold_out", "granted 10 2"]);
    expect(outcomes).toEqual([
      { kind: "granted", number: 9 },
      { kind: "repeated", number: 3 },
      { kind: "sold_out" },
      { kind: "granted", number: 10 },
    ]);
    expect(heard).toEqual([
      ...["granted 35 9 1 1 ", "repeated 35 3 2", "granted 35 10 4 2 ", "sold out 35", "called 4"],
    ]);
  });

  test("sales do not wait for each other", async () => {
    const { calls, grabMany } = queueRig();
    grabMany((IN_FLIGHT + 1) * PER_CALL);
    await turn();
    grabMany(2, SALE + 1);
    await turn();
    expect(calls.map((call) => call.saleId)).toEqual([
      ...Array.from({ length: IN_FLIGHT }, () => SALE),
      SALE + 1,
    ]);
  });

  test("a sale that was quiet for a while is served like a new one", async () => {
    const { calls, grabMany, queue } = queueRig();
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
    const { calls, queue, grabMany } = queueRig();
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
