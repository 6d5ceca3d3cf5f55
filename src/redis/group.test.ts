import { expect, test } from "bun:test";
import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";
import { createGroupRead } from "./group.ts";

/** A group whose runs wait until the test lets them go. */
function heldGroup(limits: { requestsMax?: number; readsAtOnce?: number } = {}) {
  const runs: { requests: readonly string[]; finish(): void; fail(error: Error): void }[] = [];
  const group = createGroupRead<string, string>({
    requestsMax: limits.requestsMax ?? 10,
    readsAtOnce: limits.readsAtOnce ?? 1,
    identityOf: (request) => request,
    run: (requests) =>
      new Promise((resolve, reject) => {
        const answer = requests.map((request) => `${request}@${runs.length}`);
        runs.push({ requests, finish: () => resolve(answer), fail: reject });
      }),
  });
  return { group, runs };
}

/** Time for what is in the queue of this turn, and for the read that follows one that has just ended. */
async function turn(): Promise<void> {
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
}

test("a single request is read in the turn in which it came", async () => {
  const { group, runs } = heldGroup();
  const answer = group.read("a");
  await turn();
  expect(runs).toHaveLength(1);
  runs[0]?.finish();
  expect(await answer).toBe("a@0");
});

test("requests of one turn share a read, also when they come one after the other in it", async () => {
  const { group, runs } = heldGroup({ readsAtOnce: 2 });
  const first = group.read("a");
  await Promise.resolve();
  const second = group.read("b");
  await turn();
  expect(runs.map(({ requests }) => requests)).toEqual([["a", "b"]]);
  runs[0]?.finish();
  expect(await Promise.all([first, second])).toEqual(["a@0", "b@0"]);
});

test("a request that arrives during a read gets the next one, also when it asks for the same", async () => {
  const { group, runs } = heldGroup();
  const early = group.read("a");
  await turn();
  const late = group.read("a");
  const other = group.read("b");
  const twin = group.read("a");
  runs[0]?.finish();
  expect(await early).toBe("a@0");
  await turn();
  expect(runs[1]?.requests).toEqual(["a", "b"]);
  runs[1]?.finish();
  expect(await Promise.all([late, other, twin])).toEqual(["a@1", "b@1", "a@1"]);
  expect(runs).toHaveLength(2);
});

test("a run takes no more requests than its limit, in the order of arrival", async () => {
  const { group, runs } = heldGroup({ requestsMax: 2 });
  const answers = ["a", "b", "c"].map((name) => group.read(name));
  for (const expected of [["a", "b"], ["c"]]) {
    await turn();
    expect(runs.at(-1)?.requests).toEqual(expected);
    runs.at(-1)?.finish();
  }
  expect(await Promise.all(answers)).toEqual(["a@0", "b@0", "c@1"]);
});

test("no more runs are in flight than allowed", async () => {
  const { group, runs } = heldGroup({ requestsMax: 1, readsAtOnce: 2 });
  const answers = ["a", "b", "c"].map((name) => group.read(name));
  await turn();
  expect(runs.map(({ requests }) => requests)).toEqual([["a"], ["b"]]);
  runs[1]?.finish();
  await turn();
  expect(runs[2]?.requests).toEqual(["c"]);
  for (const run of runs) run.finish();
  expect(await Promise.all(answers)).toEqual(["a@0", "b@1", "c@2"]);
});

test("a failed run fails all that wait, and the next request is read again", async () => {
  const { group, runs } = heldGroup({ requestsMax: 1 });
  const answers = ["a", "b", "c"].map((name) => group.read(name));
  const outcomes = Promise.allSettled(answers);
  const away = new Error("away");
  await turn();
  runs[0]?.fail(away);
  expect(await outcomes).toEqual(answers.map(() => ({ status: "rejected", reason: away })));
  const later = group.read("b");
  await turn();
  expect(runs).toHaveLength(2);
  runs[1]?.finish();
  expect(await later).toBe("b@1");
});

test("what cannot be read soon is refused at once when too many wait, and only then", async () => {
  const { group, runs } = heldGroup({ requestsMax: limits.groupReadWaitersMax });
  const first = group.read("first");
  await turn();
  const names = Array.from({ length: limits.groupReadWaitersMax }, (_, at) => `waiter ${at}`);
  const waiters = names.map((name) => group.read(name));
  await expect(group.read("one more")).rejects.toBeInstanceOf(Overloaded);
  const twin = group.read("waiter 0");
  runs[0]?.finish();
  expect(await first).toBe("first@0");
  await turn();
  const after = group.read("after");
  runs[1]?.finish();
  expect(await twin).toBe("waiter 0@1");
  expect(await Promise.all(waiters)).toHaveLength(names.length);
  await turn();
  runs[2]?.finish();
  expect(await after).toBe("after@2");
});
