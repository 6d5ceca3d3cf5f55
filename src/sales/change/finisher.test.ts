import { expect, test } from "bun:test";
import { until } from "../../../test/harness/until.ts";
import { createLog } from "../../log.ts";
import type { PendingChange } from "../stored.ts";
import { startFinisher } from "./finisher.ts";

const pendingOf = (saleId: number): PendingChange => ({
  ...{ saleId, changeId: crypto.randomUUID(), version: 1, action: "pause", reason: "" },
  ...{ before: { state: "open" }, change: { state: "paused" }, actor: "test" },
  ...{ epoch: null, requestKey: null, createdAt: new Date() },
});

/** A finisher with two changes to finish, and who has come to it; the first one is finished when the test says so. */
function finisherOf() {
  const begun: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = startFinisher({
    changes: {
      waiting: () => Promise.resolve([pendingOf(1), pendingOf(2)]),
      stands: () => Promise.resolve(true),
      async finish({ saleId }) {
        begun.push(saleId);
        await promise;
        return { kind: "done" };
      },
    },
    gates: { at: () => ({ epoch: 1 }) as never },
    log: createLog("silent"),
  });
  return { begun, stop, goOn: resolve };
}

test("a stop waits for the change that is being finished, and begins no other", async () => {
  const { begun, stop, goOn } = finisherOf();
  await until("the first change", () => begun.length === 1);
  const order: string[] = [];
  const stopped = stop().then(() => order.push("stopped"));
  // Whatever does not wait has come to its end by then.
  await new Promise((resolve) => setImmediate(resolve));
  order.push("goes on");
  goOn();
  await stopped;
  expect(order).toEqual(["goes on", "stopped"]);
  expect(begun).toEqual([1]);
});

test("a stop does not wait for ever for a change that cannot be finished", async () => {
  const { begun, stop, goOn } = finisherOf();
  await until("the first change", () => begun.length === 1);
  await stop();
  expect(begun).toEqual([1]);
  goOn();
});

test("a stop between two passes has nothing to wait for", async () => {
  const { begun, stop, goOn } = finisherOf();
  await stop();
  expect(begun).toEqual([]);
  goOn();
});
