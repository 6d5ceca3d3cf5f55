import { afterEach, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { SQL } from "drizzle-orm";
import { MySqlDialect } from "drizzle-orm/mysql-core";
import { until } from "../../test/harness/until.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { createEndings, type Endings } from "./endings.ts";

const NOW = 1_790_000_000_000;

/** A table of users and a channel that several processes share; both can be away. */
function fixture() {
  const table = { rows: [] as { id: number; validFrom: Date }[], away: false, reads: 0, now: NOW };
  const channel = { listeners: [] as EventEmitter[], deaf: false };
  const ask = () => {
    table.reads++;
    if (table.away) throw new Error("Connection lost");
  };
  const where = (condition: SQL) => {
    const [since] = new MySqlDialect().sqlToQuery(condition).params;
    const from = Date.parse(`${String(since).replace(" ", "T")}Z`);
    const limit = async () => {
      ask();
      return table.rows.filter(({ validFrom }) => validFrom.getTime() > from);
    };
    return { orderBy: () => ({ limit }) };
  };
  const execute = async () => {
    ask();
    return [[{ now: String(table.now) }]];
  };
  const db = { execute, select: () => ({ from: () => ({ where }) }) } as unknown as Database;
  const redis = {
    publish: async (name: string, message: string) => {
      if (channel.deaf) throw new Error("Connection is closed.");
      for (const listener of channel.listeners) listener.emit("message", name, message);
    },
  } as unknown as Redis;
  const clock = { time: NOW, now: () => clock.time };
  const processOf = (): Endings => {
    const subscriber = Object.assign(new EventEmitter(), { subscribe: async () => 1 });
    channel.listeners.push(subscriber);
    const made = createEndings({
      ...{ db, redis, subscriber: subscriber as unknown as Redis, clock, log: createLog("silent") },
    });
    running.push(made);
    return made;
  };
  return { table, channel, clock, processOf };
}

const running: Endings[] = [];
afterEach(async () => {
  for (const endings of running.splice(0)) await endings.stop();
});

test("tokens from before are ended on every process at once, later ones and other users' are not", async () => {
  const { processOf } = fixture();
  const [one, other] = [processOf(), processOf()];
  await Promise.all([one.start(), other.start()]);
  await one.announce(7, NOW);
  for (const endings of [one, other]) {
    expect([endings.has("7", 0), endings.has("7", NOW - 1)]).toEqual([true, true]);
    expect([endings.has("7", NOW), endings.has("8", 0)]).toEqual([false, false]);
  }
});

test("an older message that comes late takes nothing back", async () => {
  const { processOf } = fixture();
  const one = processOf();
  await one.start();
  await one.announce(7, NOW);
  await one.announce(7, NOW - 5_000);
  expect(one.has("7", NOW - 1)).toBe(true);
});

test("a process that starts later, or misses the message, learns it from MySQL", async () => {
  const { table, channel, processOf } = fixture();
  const one = processOf();
  await one.start();
  channel.deaf = true;
  table.rows = [{ id: 7, validFrom: new Date(NOW) }];
  const later = processOf();
  await later.start();
  expect(later.has("7", 0)).toBe(true);
  await until("the other to know", () => one.has("7", 0));
});

test("what was ended while a process was cut off is known when it can read again, however long that was", async () => {
  const { table, channel, processOf } = fixture();
  const one = processOf();
  await one.start();
  [channel.deaf, table.away] = [true, true];
  table.rows = [{ id: 7, validFrom: new Date(NOW + 1) }];
  const reads = table.reads;
  await until("a reading that fails", () => table.reads > reads);
  table.now = NOW + 10 * limits.endingsReadSeconds * 1_000;
  table.away = false;
  await until("the ending", () => one.has("7", NOW));
});

test("a reading goes back behind the one before, for what was written later than its time", async () => {
  const { table, channel, processOf } = fixture();
  const one = processOf();
  await one.start();
  channel.deaf = true;
  const lateBy = limits.endingsReadSeconds * 1_000 - 1;
  table.rows = [
    { id: 7, validFrom: new Date(NOW - lateBy) },
    { id: 8, validFrom: new Date(NOW - lateBy - 1_000) },
  ];
  await until("the ending", () => one.has("7", 0));
  expect(one.has("8", 0)).toBe(false);
});

test("a full map takes no new users from messages, and later endings of those that it has", async () => {
  const { processOf, clock } = fixture();
  const one = processOf();
  await one.start();
  const other = processOf();
  await other.start();
  clock.time = NOW;
  for (let user = 1; user <= limits.endingsMax; user += 1) await other.announce(user, NOW);
  await other.announce(1, NOW + 5_000);
  await other.announce(limits.endingsMax + 1, NOW);
  expect(one.has("1", NOW + 1_000)).toBe(true);
  expect(one.has(String(limits.endingsMax + 1), 0)).toBe(false);
});

test("a start while MySQL is away ends when MySQL is back", async () => {
  const { table, processOf } = fixture();
  table.away = true;
  table.rows = [{ id: 7, validFrom: new Date(NOW) }];
  const late = processOf();
  const started = late.start();
  await until("a first try", () => table.reads > 0);
  expect(late.loaded()).toBe(false);
  table.away = false;
  await started;
  expect([late.loaded(), late.has("7", 0)]).toEqual([true, true]);
});

test("an ending is announced here though Redis is away, and does not fail", async () => {
  const { channel, processOf } = fixture();
  const one = processOf();
  await one.start();
  channel.deaf = true;
  await one.announce(7, NOW);
  expect(one.has("7", 0)).toBe(true);
});

test("an ending is forgotten when no token from before it can be good any more", async () => {
  const { clock, processOf } = fixture();
  const one = processOf();
  await one.start();
  const keptMs = (limits.accessTokenSeconds + limits.clockSkewSeconds) * 1_000;
  await one.announce(7, NOW);
  await one.announce(8, NOW + 1_000_000);
  clock.time = NOW + keptMs + 1;
  await until("the sweep", () => !one.has("7", 0));
  expect(one.has("8", 0)).toBe(true);
});

test("a stop during a start ends both", async () => {
  const { table, processOf } = fixture();
  table.away = true;
  const one = processOf();
  const started = one.start();
  await one.stop();
  await started;
});

test("an ending is kept for as long as any token lives", () => {
  expect(limits.accessTokenSeconds).toBeGreaterThanOrEqual(limits.sessionTokenSeconds);
});
