import { describe, expect, test } from "bun:test";
import type { Changes } from "../cache/changes.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { SaleEvents } from "./service.ts";

/** Events without a Redis that answers; `asked` counts how often it was asked. */
function eventsAlone() {
  let asked = 0;
  let changed: ((changes: Changes) => void) | undefined;
  const pipeline = { call() {}, exec: () => Promise.resolve([[new Error("away"), null]]) };
  const redis = {
    pipeline() {
      asked += 1;
      return pipeline;
    },
  } as unknown as Redis;
  const events = new SaleEvents({
    ...{ redis, exists: () => Promise.resolve(true), log: createLog("silent") },
    levels: {
      onChange(listener) {
        changed = listener;
      },
    },
  });
  return { events, asked: () => asked, change: (changes: Changes) => changed?.(changes) };
}

describe("the number", () => {
  test("of clients is bounded, and whoever leaves makes room for another", () => {
    const { events } = eventsAlone();
    const all = Array.from({ length: limits.eventClientsMax }, () => events.watch(1));
    expect([events.clients, all.includes(undefined)]).toEqual([limits.eventClientsMax, false]);
    expect(events.watch(1)).toBeUndefined();
    all[17]?.leave();
    all[17]?.leave();
    expect(events.clients).toBe(limits.eventClientsMax - 1);
    expect(events.watch(2)).toBeDefined();
    expect(events.watch(1)).toBeUndefined();
    events.stop();
    expect(events.clients).toBe(0);
  });

  test("of sales is bounded, and clients of those that are watched still come in", () => {
    const { events } = eventsAlone();
    for (let id = 1; id <= limits.eventSalesMax; id += 1) expect(events.watch(id)).toBeDefined();
    expect(events.watch(limits.eventSalesMax + 1)).toBeUndefined();
    expect(events.watch(1)).toBeDefined();
    events.stop();
  });
});

test("after the stop nobody comes in", () => {
  const { events } = eventsAlone();
  events.watch(1);
  events.stop();
  expect([events.watch(1), events.clients]).toEqual([undefined, 0]);
});

test("without clients nothing is asked, and for many clients of many sales once", async () => {
  const { events, asked, change } = eventsAlone();
  change([{ kind: "sale", key: 1 }]);
  change("everything");
  expect(asked()).toBe(0);
  for (let client = 0; client < 100; client += 1) events.watch(client % 10);
  await Promise.resolve();
  expect(asked()).toBe(1);
  events.stop();
});
