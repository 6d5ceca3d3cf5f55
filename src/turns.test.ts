import { expect, test } from "bun:test";
import { createTurns } from "./turns.ts";

const deferred = () => Promise.withResolvers<void>();

test("no more than the bound work at once, and the rest go in the order they came", async () => {
  const turns = createTurns({ atOnce: 2, waitersMax: 10, waitMsMax: 10_000 });
  const ends = Array.from({ length: 5 }, deferred);
  const started: number[] = [];
  const all = ends.map((end, number) =>
    turns.run(() => {
      started.push(number);
      return end.promise.then(() => number);
    }),
  );
  await Promise.resolve();
  expect(started).toEqual([0, 1]);
  for (const end of ends) end.resolve();
  expect(await Promise.all(all)).toEqual([0, 1, 2, 3, 4].map((result) => ({ result })));
  expect(started).toEqual([0, 1, 2, 3, 4]);
});

test("whoever finds the queue full is told at once, and nobody else suffers", async () => {
  const turns = createTurns({ atOnce: 1, waitersMax: 1, waitMsMax: 10_000 });
  const end = deferred();
  const first = turns.run(() => end.promise);
  const second = turns.run(() => Promise.resolve("second"));
  expect(await turns.run(() => Promise.resolve("third"))).toBe("busy");
  end.resolve();
  await first;
  expect(await second).toEqual({ result: "second" });
});

test("whoever has waited too long leaves the queue", async () => {
  const turns = createTurns({ atOnce: 1, waitersMax: 1, waitMsMax: 1 });
  const end = deferred();
  const first = turns.run(() => end.promise);
  expect(await turns.run(() => Promise.resolve("late"))).toBe("busy");
  end.resolve();
  await first;
  expect(await turns.run(() => Promise.resolve("next"))).toEqual({ result: "next" });
});

test("work that fails gives its turn back", async () => {
  const turns = createTurns({ atOnce: 1, waitersMax: 0, waitMsMax: 1 });
  const failed = await turns.run(() => Promise.reject(new Error("no"))).catch(() => "failed");
  expect(failed).toBe("failed");
  expect(await turns.run(() => Promise.resolve("next"))).toEqual({ result: "next" });
});
