import { expect, test } from "bun:test";
import { pause } from "./context.ts";

test("a pause that is cut short lets the event loop turn all the same", async () => {
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await pause(1_000, AbortSignal.abort());
  expect(turned).toBe(true);
});
