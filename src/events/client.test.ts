import { expect, spyOn, test } from "bun:test";
import { EventClient } from "./client.ts";

test("a stream that its connection has ended already ends in silence, and is left once", () => {
  let [left, closed] = [0, 0];
  const client = new EventClient(() => {
    left += 1;
  });
  const close = spyOn(ReadableStreamDefaultController.prototype, "close");
  close.mockImplementation(() => {
    closed += 1;
    throw new TypeError("the stream is closed");
  });
  try {
    client.end();
    client.end();
  } finally {
    close.mockRestore();
  }
  expect([left, closed]).toEqual([1, 1]);
});
