// What the queue does when Redis does not answer, answers late, or answers nonsense.

import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
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

const PER_CALL = limits.grabCallAttemptsMax;
const IN_FLIGHT = limits.grabCallsInFlightMax;

describe("too long", () => {
  const realNow = performance.now.bind(performance);
  let passed = 0;
  let time: ReturnType<typeof spyOn>;
  beforeEach(() => {
    passed = 0;
    time = spyOn(performance, "now").mockImplementation(() => realNow() + passed);
  });
  afterEach(() => time.mockRestore());

  /** A lane whose calls are all under way. */
  async function busy() {
    const setup = queueRig();
    for (let i = 0; i < IN_FLIGHT; i += 1) {
      setup.grabMany(1);
      await turn();
    }
    return setup;
  }

  test("what waited longer than it may is refused when a call comes back, the rest is sent", async () => {
    const { calls, queue, grabMany } = await busy();
    const old = grabMany(3);
    passed = limits.grabWaitMsMax - 50;
    const young = grabMany(2);
    passed = limits.grabWaitMsMax + 1;
    await grantAll(calls[0] as Call);
    expect(reasons(old)).toEqual(["overloaded"]);
    await grantAll(calls[IN_FLIGHT] as Call);
    expect(reasons(young)).toEqual(["granted"]);
    expect(queue.waiting()).toBe(0);
  });

  test("while the first has waited too long, who comes is refused at once", async () => {
    const { grabMany } = await busy();
    const old = grabMany(1);
    passed = limits.grabWaitMsMax + 1;
    const refused = grabMany(1);
    await turn();
    expect(reasons(refused)).toEqual(["overloaded"]);
    expect(old).toEqual([]);
  });

  test("on a link that takes longer than one may wait, those behind a call are sent with the next", async () => {
    const { calls, queue, grabMany } = await busy();
    passed = 2 * limits.grabWaitMsMax;
    await grantAll(calls[0] as Call);
    grabMany(1);
    await turn();
    const behind = grabMany(5);
    passed += 2 * limits.grabWaitMsMax;
    await grantAll(calls[1] as Call);
    expect(behind).toEqual([]);
    await grantAll(calls[2] as Call);
    expect(reasons(behind)).toEqual(["granted"]);
    expect(queue.waiting()).toBe(0);
  });
});

describe("failures", () => {
  test("a call without an answer leaves its attempts unknown; those behind it were never sent", async () => {
    const { calls, gates, queue, grabMany } = queueRig();
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
    for (const call of calls.slice(1)) await grantAll(call);
    expect(sent).toHaveLength(PER_CALL * IN_FLIGHT);
  });

  test.each(["NOSCRIPT No matching script.", "READONLY You can't write"])(
    "a fence refuses before the script begins: %p is no unknown outcome, and closes the gate",
    async (message) => {
      const { calls, gates, closed, grabMany } = queueRig();
      const outcomes = grabMany(3);
      await turn();
      await calls[0]?.fail(message);
      expect(reasons(outcomes)).toEqual(["recovering"]);
      expect(gates.at(SHARD)).toBeUndefined();
      expect(closed).toEqual(["closed 3"]);
    },
  );

  test("the late error of an old gate does not close a newer one", async () => {
    const { calls, gates, closed, grabMany } = queueRig();
    grabMany(1);
    grabMany(1, SALE + limits.shards);
    await turn();
    expect(calls).toHaveLength(2);
    await calls[0]?.fail("NOSCRIPT No matching script.");
    gates.open(SHARD, 2, "two");
    await calls[1]?.fail("NOSCRIPT No matching script.");
    expect(gates.at(SHARD)?.epoch).toBe(2);
    expect(closed).toHaveLength(1);
  });

  test("the late `fenced` of an old gate does not close a newer one", async () => {
    const { calls, gates, grabMany } = queueRig();
    const outcomes = grabMany(1);
    await turn();
    gates.open(SHARD, 2, "two");
    await calls[0]?.answer("fenced");
    expect(gates.at(SHARD)?.epoch).toBe(2);
    expect(reasons(outcomes)).toEqual(["recovering"]);
  });

  test.each([false, true])(
    "a grant whose answer comes when its gate has closed is not confirmed (opened again: %p)",
    async (reopened) => {
      const { calls, gates, heard, grabMany } = queueRig();
      const outcomes = grabMany(2);
      await turn();
      const gate = gates.at(SHARD);
      if (gate) gates.close(SHARD, gate, "test");
      if (reopened) gates.open(SHARD, 2, "two");
      await grantAll(calls[0] as Call);
      expect(reasons(outcomes)).toEqual(["recovering"]);
      expect(heard).toEqual(["called 2"]);
    },
  );

  test("a fenced call closes the gate and its attempts are told to come back", async () => {
    const { calls, gates, grabMany } = queueRig();
    const outcomes = grabMany(2);
    await turn();
    await calls[0]?.answer("fenced");
    expect(reasons(outcomes)).toEqual(["recovering"]);
    expect(gates.at(SHARD)).toBeUndefined();
  });

  test("a missing sale is reported with the epoch under which it was asked for, and the gate stays", async () => {
    const { calls, gates, heard, grabMany } = queueRig();
    const outcomes = grabMany(1);
    await turn();
    await calls[0]?.answer("missing");
    expect(reasons(outcomes)).toEqual(["recovering"]);
    expect(heard).toContain("missing 35 1");
    expect(gates.at(SHARD)).toBeDefined();
  });

  test("while the gate is closed nothing is sent, not even what waited before", async () => {
    const { calls, gates, queue, grabMany } = queueRig();
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
    const { calls, queue, grabMany } = queueRig();
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
    const { calls, grabMany } = queueRig();
    const outcomes = grabMany(3);
    await turn();
    await calls[0]?.answer(["sold_out"]);
    expect(outcomes).toHaveLength(3);
    expect(reasons(outcomes)).toEqual(["sold_out", "unknown"]);
  });
});
