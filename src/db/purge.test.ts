import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { createLog } from "../log.ts";
import { startPurge } from "./purge.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A table of so many rows whose batches end when a test says so. */
function fixture(rows: number) {
  const table = { rows, batches: 0, atOnce: 0, mostAtOnce: 0, end: () => {} };
  const stop = startPurge({
    ...{ everyMs: 60_000, batchRows: 10, log: createLog("silent"), failed: "failed" },
    batch: async () => {
      table.batches += 1;
      table.atOnce += 1;
      table.mostAtOnce = Math.max(table.mostAtOnce, table.atOnce);
      const { promise, resolve } = Promise.withResolvers<void>();
      table.end = resolve;
      await promise;
      table.atOnce -= 1;
      if (table.rows < 0) throw new Error("away");
      const removed = Math.min(10, table.rows);
      table.rows -= removed;
      return removed;
    },
  });
  /** Lets the batch under way end, and whatever follows begin. */
  const next = async () => {
    table.end();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  return { table, stop, next };
}

test("a pass goes on while it finds full batches, and none begins beside it", async () => {
  const { table, next, stop } = fixture(25);
  jest.advanceTimersByTime(180_000);
  for (let batch = 0; batch < 3; batch += 1) await next();
  expect(table).toMatchObject({ rows: 0, batches: 3, mostAtOnce: 1 });
  await next();
  expect(table.batches).toBe(3);
  jest.advanceTimersByTime(60_000);
  expect(table.batches).toBe(4);
  await next();
  await stop();
});

test("stopping waits for the batch under way and begins no other", async () => {
  const { table, next, stop } = fixture(100);
  jest.advanceTimersByTime(60_000);
  let stopped = false;
  const stopping = stop().then(() => {
    stopped = true;
  });
  await Promise.resolve();
  expect(stopped).toBe(false);
  await next();
  await stopping;
  jest.advanceTimersByTime(600_000);
  expect(table).toMatchObject({ rows: 90, batches: 1 });
});

test("after a pass that failed there is another", async () => {
  const { table, next, stop } = fixture(-1);
  jest.advanceTimersByTime(60_000);
  await next();
  table.rows = 5;
  jest.advanceTimersByTime(60_000);
  await next();
  expect(table).toMatchObject({ rows: 0, batches: 2 });
  await stop();
});
