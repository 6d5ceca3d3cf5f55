import { expect, test } from "bun:test";
import { isOutage } from "./outage.ts";
import { Overloaded } from "./overloaded.ts";

const wrapped = (cause: Error) => new Error("Failed query: select …", { cause });
const mysql = (errno: number) =>
  wrapped(Object.assign(new Error("…"), { errno, sqlState: "HY000", code: "ER_…" }));

test("a lost, slow, full or read-only server is an outage, also inside Drizzle's error", () => {
  for (const error of [
    new Overloaded("too many loads"),
    new Error("Connection is closed."),
    new Error("Command timed out"),
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    new Error("READONLY You can't write against a read only replica."),
    new Error("OOM command not allowed when used memory > 'maxmemory'."),
    new Error("MISCONF Errors writing to the AOF file: No space left on device"),
    new Error("LOADING Redis is loading the dataset in memory"),
    wrapped(Object.assign(new Error("connect"), { code: "ECONNREFUSED", errno: -111 })),
    wrapped(Object.assign(new Error("…"), { code: "PROTOCOL_CONNECTION_LOST" })),
    wrapped(new Error("Queue limit reached.")),
    ...[1021, 1040, 1205, 1213, 1290, 3024, 1969].map(mysql),
  ]) {
    expect([error.message, isOutage(error)]).toEqual([error.message, true]);
  }
});

test("a mistake in a statement or in this program is none", () => {
  for (const error of [
    new TypeError("undefined is not an object"),
    new Error("WRONGTYPE Operation against a key holding the wrong kind of value"),
    ...[1064, 1146, 1054, 1062].map(mysql),
    "text",
    undefined,
  ]) {
    expect(isOutage(error)).toBe(false);
  }
});
