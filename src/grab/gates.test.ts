import { expect, test } from "bun:test";
import { allShards } from "../redis/keys.ts";
import { Gates } from "./gates.ts";

function fixture() {
  const closed: string[] = [];
  const gates = new Gates((shard, reason) => closed.push(`${shard}: ${reason}`));
  const opened = (shard: number, epoch: number) => {
    gates.open(shard, epoch, `incarnation${epoch}`);
    const gate = gates.at(shard);
    if (!gate) throw new Error("not open");
    return gate;
  };
  return { gates, closed, opened };
}

test("all gates are closed at first", () => {
  const { gates } = fixture();
  expect(allShards.filter((shard) => gates.at(shard))).toEqual([]);
  expect(gates.openCount()).toBe(0);
});

test("an open gate has the epoch and the scripts of its incarnation", () => {
  const { opened } = fixture();
  const [one, other] = [opened(3, 7), opened(4, 8)];
  expect([one.epoch, other.epoch]).toEqual([7, 8]);
  expect(one.scripts.grab.sha).not.toBe(other.scripts.grab.sha);
});

test("`opened` waits for the last of the gates, and one that closed meanwhile counts", async () => {
  const { gates, opened } = fixture();
  let all = false;
  const waiting = gates.opened.then(() => {
    all = true;
  });
  for (const shard of allShards.slice(1)) opened(shard, 1);
  gates.close(1, opened(1, 1), "test");
  await Promise.resolve();
  expect(all).toBe(false);
  opened(0, 1);
  await waiting;
  expect(all).toBe(true);
});

test("a closed gate asks for a look once, however many calls report it", () => {
  const { gates, closed, opened } = fixture();
  const gate = opened(3, 1);
  gates.close(3, gate, "first");
  gates.close(3, gate, "second");
  expect(gates.at(3)).toBeUndefined();
  expect(closed).toEqual(["3: first"]);
});

test("a late report about an earlier opening leaves the later one open", () => {
  const { gates, closed, opened } = fixture();
  const before = opened(3, 1);
  gates.close(3, before, "lost");
  const after = opened(3, 2);
  gates.close(3, before, "lost");
  gates.notice(3, before, new Error("NOSCRIPT No matching script."));
  expect(gates.at(3)).toBe(after);
  expect(closed).toHaveLength(1);
});

test.each([
  ["NOSCRIPT No matching script. Please use EVAL.", true],
  ["READONLY You can't write against a read only replica.", true],
  ["Command timed out", false],
  ["Connection is closed.", false],
  ["OOM command not allowed when used memory > 'maxmemory'.", false],
  ["BUSY Redis is busy running a script.", false],
])("the error %p closes a gate: %p", (message, closes) => {
  const { gates, opened } = fixture();
  gates.notice(3, opened(3, 1), new Error(message));
  expect(gates.at(3) === undefined).toBe(closes);
});
