import { expect, test } from "bun:test";
import { type GrabOutcome, outcomeOf } from "./outcome.ts";

const cases: [string, GrabOutcome][] = [
  ["granted 17 1", { kind: "granted", number: 17 }],
  ["repeated 9007199254740991 3", { kind: "repeated", number: Number.MAX_SAFE_INTEGER }],
  ["sold_out", { kind: "sold_out" }],
  ["limit_reached", { kind: "limit_reached" }],
  ["key_required", { kind: "key_required" }],
  ["not_started 17 16", { kind: "not_started", opensAt: 17, serverTime: 16 }],
  ["ended", { kind: "ended" }],
  ["paused", { kind: "paused" }],
  ["backlog", { kind: "unavailable", reason: "backlog", retryAfterSeconds: 1 }],
  ["fenced", { kind: "unavailable", reason: "recovering", retryAfterSeconds: 1 }],
  ["missing", { kind: "unavailable", reason: "recovering", retryAfterSeconds: 1 }],
];

test.each(cases)("%s has its outcome", (reply, outcome) => {
  expect(outcomeOf(reply)).toEqual(outcome);
});

test.each(["", "Granted 1 1", "undefined", "sold out"])(
  "a word that the script does not have is a bug: %p",
  (reply) => {
    expect(() => outcomeOf(reply)).toThrow("grab.lua answered");
  },
);
