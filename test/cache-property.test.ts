// Random histories of two processes that read and one that changes things, with loaders of every slowness, messages
// that come late or never, clocks that jump as for a process that was stopped, and connections that break. After a
// process has heard of a change, nothing older is ever served there; the one that made it serves nothing older from its
// own call on; and no process serves what was replaced longer than `cacheTrustMs` ago, whatever it has heard.

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type Changes, EVERYTHING } from "../src/cache/changes.ts";
import { announce } from "../src/cache/shared.ts";
import { limits } from "../src/limits.ts";
import { type CacheProcess, type Fact, later, startCaches } from "./harness/caches.ts";
import { startRedis, stopEverything } from "./harness/servers.ts";

afterAll(stopEverything);

const server = await startRedis();
const rows = new Map<string, Fact>();
const writer = await startCaches(server.url, rows);
const all = [writer, await startCaches(server.url, rows), await startCaches(server.url, rows)];

/** The names of one history. Each has its own, which begin as names of nothing. */
let names: readonly string[] = [];
/** What is known to everybody who asks Redis or MySQL, by name. */
const told = new Map<string, number>();

/** What a process must not show anything older than any more, by name. */
class Floors {
  readonly #heard = new Map<string, number>();
  /** Versions that were told, and when, by the clock of the process. */
  readonly #told = new Map<string, { version: number; at: number }[]>();

  constructor(private readonly process: CacheProcess) {
    process.levels.onChange((changes) => this.#hear(changes));
  }

  heard(name: string, version: number): void {
    this.#heard.set(name, Math.max(version, this.#heard.get(name) ?? 0));
  }

  told(name: string, version: number): void {
    const at = this.process.levels.now();
    this.#told.set(name, [...(this.#told.get(name) ?? []), { version, at }]);
  }

  of(name: string): number {
    const bound = this.process.levels.now() - limits.cacheTrustMs;
    const late = this.#told.get(name)?.findLast(({ at }) => at < bound)?.version ?? 0;
    return Math.max(late, this.#heard.get(name) ?? 0);
  }

  #hear(changes: Changes): void {
    if (changes === EVERYTHING) {
      for (const name of names) this.heard(name, told.get(name) ?? 0);
      return;
    }
    for (const { kind, key } of changes) {
      const [name = "", version] = String(key).split(" of ");
      if (kind === VERSION) this.heard(name, Number(version));
    }
  }
}

/** Which version it is travels with each message, as a change of a kind that nobody looks up here. */
const VERSION = "sale-name";

const floors = new Map(all.map((each) => [each, new Floors(each)]));

/** Reads as users do: the hot path first. What is served must not be older than what was known at the call. */
async function read(by: CacheProcess, name: string): Promise<void> {
  const check = (how: string, floor: number, version: number) => {
    if (version >= floor) return;
    const who = by === writer ? "the writer" : `reader ${all.indexOf(by)}`;
    throw new Error(`${who} served ${name} of version ${version} after ${floor}, from ${how}`);
  };
  const floor = floors.get(by)?.of(name) ?? 0;
  const found = by.facts.peek(name);
  if (found) check("memory", floor, found.version);
  check("the levels", floor, (await by.facts.get(name))?.version ?? 0);
}

const nextOf = (name: string): number => (rows.get(name)?.version ?? 0) + 1;

function tellAll(name: string, version: number): void {
  told.set(name, version);
  for (const each of floors.values()) each.told(name, version);
}

async function write(name: string): Promise<void> {
  const version = nextOf(name);
  rows.set(name, { version });
  const changed = writer.levels.changed(
    { kind: "user-name", key: name },
    { kind: VERSION, key: `${name} of ${version}` },
  );
  floors.get(writer)?.heard(name, version);
  await changed;
  tellAll(name, version);
}

async function changeEverything(): Promise<void> {
  const versions = names.map((name) => [name, nextOf(name)] as const);
  for (const [name, version] of versions) rows.set(name, { version });
  await announce(writer.redis, "an operator", EVERYTHING);
  for (const [name, version] of versions) tellAll(name, version);
}

const WEIGHTS = {
  ...{ read: 60, write: 20, forget: 10, slow: 20, wait: 20 },
  ...{ everything: 3, late: 15, jump: 10, cut: 2 },
};
const history = fc.array(
  fc.oneof(
    ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
      weight,
      arbitrary: fc.record({
        kind: fc.constant(kind),
        by: fc.nat(2),
        name: fc.nat(1),
        ms: fc.nat(6),
      }),
    })),
  ),
  { minLength: 10, maxLength: 60 },
);

/** What happens to a process, or all; what is returned is not waited for. */
function happen(
  kind: string,
  by: CacheProcess,
  name: string,
  ms: number,
): Promise<unknown> | undefined {
  switch (kind) {
    case "read":
      return read(by, name);
    case "forget":
      by.facts.drop(name);
      return undefined;
    case "slow":
      by.hold(ms === 0 ? Promise.resolve() : later(ms));
      return undefined;
    case "late":
      by.late(ms > 2 ? Infinity : ms);
      return undefined;
    case "jump":
      by.pass(ms < 2 ? ms * 300 : limits.cacheTrustMs + ms);
      return undefined;
    default:
      return writer.redis.call("CLIENT", "KILL", "TYPE", "pubsub") as Promise<unknown>;
  }
}

/** Whatever has happened: who hears again, and has proved it, shows what there is now. */
async function settle(): Promise<void> {
  for (const each of all) {
    each.late(0);
    each.hold(Promise.resolve());
  }
  await Promise.all(
    all.map(async (each) => {
      await each.prove();
      for (const name of names) {
        floors.get(each)?.heard(name, told.get(name) ?? 0);
        await read(each, name);
      }
    }),
  );
}

let histories = 0;

async function play(steps: readonly { kind: string; by: number; name: number; ms: number }[]) {
  const which = ++histories;
  names = ["a", "b"].map((name) => `${name} in history ${which}`);
  const running: Promise<unknown>[] = [];
  let lastChange: Promise<void> = Promise.resolve();
  for (const { kind, by, name: place, ms } of steps) {
    const [process, name] = [all[by] ?? writer, names[place] ?? ""];
    // As for a process that was stopped while the others went on.
    if (kind === "jump") await lastChange;
    if (kind === "wait") await later(ms);
    else if (kind === "write" || kind === "everything") {
      // One after the other, so that their order is known.
      lastChange = lastChange.then(() => (kind === "write" ? write(name) : changeEverything()));
      running.push(lastChange);
    } else running.push(Promise.resolve(happen(kind, process, name, ms)));
  }
  await Promise.all(running);
  await settle();
}

const seed = Math.trunc(Math.random() * 2 ** 31);

test("nothing older is served after a change was heard of, or was made longer ago than memory is believed", async () => {
  console.log(`seed ${seed}`);
  const property = fc.asyncProperty(history, play);
  await fc.assert(property, { seed, numRuns: 300, endOnFailure: true });
  expect(told.size).toBeGreaterThan(300);
});

test("a process that hears nothing any more serves nothing older than its bound", async () => {
  const deaf = await startCaches(server.url, rows);
  rows.set("a", { version: 1 });
  await writer.levels.changed({ kind: "user-name", key: "a" });
  await deaf.facts.get("a");
  // From here on it neither hears nor looks, like a process that is stopped and goes on later.
  deaf.late(Infinity);
  rows.set("a", { version: 2 });
  await writer.levels.changed({ kind: "user-name", key: "a" });
  expect(deaf.facts.peek("a")).toEqual({ version: 1 });
  deaf.pass(Math.max(limits.cacheTrustMs, limits.cacheBlindMs));
  expect(deaf.facts.peek("a")).toBeUndefined();
  expect(await deaf.facts.get("a")).toEqual({ version: 2 });
});
