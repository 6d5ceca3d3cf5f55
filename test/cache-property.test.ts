// Random histories of two processes that read and one that changes things, with loaders of every slowness, messages
// that come late and connections that break: after a process has heard of a change, nothing older is ever served
// there, and the one that made it serves nothing older from its own call on.

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../src/limits.ts";
import { type CacheProcess, type Fact, startCaches } from "./harness/caches.ts";
import { startRedis, stopEverything } from "./harness/servers.ts";

afterAll(stopEverything);

const NAMES = ["a", "b", "c"];
const server = await startRedis();
const rows = new Map<string, Fact>();
const writer = await startCaches(server.url, rows);
const readers = [await startCaches(server.url, rows), await startCaches(server.url, rows)];
const all = [writer, ...readers];

/** The version below which a process must show nothing any more, by name. */
const floors = new Map<CacheProcess, Map<string, number>>(all.map((each) => [each, new Map()]));
/** Announced versions of a name, in the order of their announcing; a reader hears them in the same order. */
let announced = new Map<string, number[]>();
let heard = new Map<CacheProcess, Map<string, number>>();

for (const reader of readers) {
  reader.levels.onChange((changes) => {
    if (typeof changes === "string") return;
    for (const { key } of changes) {
      const name = String(key);
      const count = heard.get(reader);
      const place = count?.get(name) ?? 0;
      count?.set(name, place + 1);
      const version = announced.get(name)?.[place] ?? 0;
      floors.get(reader)?.set(name, version);
    }
  });
}

function check(by: CacheProcess, name: string, floor: number, found: Fact | undefined): void {
  if (found !== undefined && found.version < floor) {
    const who = by === writer ? "the writer" : `reader ${readers.indexOf(by)}`;
    throw new Error(`${who} served ${name} of version ${found.version} after ${floor}`);
  }
}

/** Reads as users do: the hot path first. What is served must not be older than what was known at the call. */
async function read(by: CacheProcess, name: string): Promise<void> {
  const floor = floors.get(by)?.get(name) ?? 0;
  check(by, name, floor, by.facts.peek(name));
  check(by, name, floor, await by.facts.get(name));
}

async function write(name: string): Promise<void> {
  const version = (rows.get(name)?.version ?? 0) + 1;
  rows.set(name, { version });
  announced.set(name, [...(announced.get(name) ?? []), version]);
  const told = writer.levels.changed({ kind: "user-name", key: name });
  floors.get(writer)?.set(name, version);
  await told;
}

/** A loader's slowness. */
const later = (milliseconds: number): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(() => resolve(), milliseconds);
  return promise;
};

const nameOf = fc.constantFrom(...NAMES);
const reading = fc.record({ kind: fc.constant("read"), by: fc.nat(2), name: nameOf });
const writing = fc.record({ kind: fc.constant("write"), name: nameOf });
const slowing = fc.record({ kind: fc.constant("slow"), by: fc.nat(2), ms: fc.nat(6) });
const waiting = fc.record({ kind: fc.constant("wait"), ms: fc.nat(4) });
const forgetting = fc.record({ kind: fc.constant("forget"), by: fc.nat(2), name: nameOf });
type Step = { kind: string; by?: number; name?: string; ms?: number };

const history = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: reading },
    { weight: 2, arbitrary: writing },
    { weight: 2, arbitrary: slowing },
    { weight: 2, arbitrary: waiting },
    { weight: 1, arbitrary: forgetting },
  ),
  { minLength: 10, maxLength: 60 },
);

async function play(steps: readonly Step[]): Promise<void> {
  const running: Promise<void>[] = [];
  let lastWrite: Promise<void> = Promise.resolve();
  for (const { kind, by = 0, name = "a", ms = 0 } of steps) {
    const process = all[by] ?? writer;
    if (kind === "read") running.push(read(process, name));
    if (kind === "forget") process.facts.drop(name);
    if (kind === "slow") process.hold(ms === 0 ? Promise.resolve() : later(ms));
    if (kind === "wait") await later(ms);
    if (kind === "write") {
      // One after the other, so that their order is known.
      const before = lastWrite;
      lastWrite = before.then(() => write(name));
      running.push(lastWrite);
    }
  }
  await Promise.all(running);
}

const seed = Math.trunc(Math.random() * 2 ** 31);

test("nothing older is served after a change was heard of", async () => {
  console.log(`seed ${seed}`);
  const property = fc.asyncProperty(history, (steps) => play(steps as Step[]));
  announced = new Map();
  heard = new Map(readers.map((reader) => [reader, new Map()]));
  await fc.assert(property, { seed, numRuns: 300, endOnFailure: true });
  expect([...announced.values()].flat().length).toBeGreaterThan(300);
});

test("a process that hears nothing any more serves nothing older than its bound", async () => {
  const deaf = await startCaches(server.url, rows);
  rows.set("a", { version: 1e6 });
  await writer.levels.changed({ kind: "user-name", key: "a" });
  await deaf.facts.get("a");
  // From here on it neither hears nor looks, like a process that is stopped and goes on later.
  deaf.subscriber.removeAllListeners("message");
  rows.set("a", { version: 1e6 + 1 });
  await writer.levels.changed({ kind: "user-name", key: "a" });
  expect(deaf.facts.peek("a")).toEqual({ version: 1e6 });
  deaf.pass(Math.max(limits.cacheTrustMs, limits.cacheBlindMs));
  expect(deaf.facts.peek("a")).toBeUndefined();
  expect(await deaf.facts.get("a")).toEqual({ version: 1e6 + 1 });
});
