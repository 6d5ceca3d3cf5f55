// What MySQL refuses for good goes to dead_letters alone: the rest of the batch is written, the cursor moves.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { DatabaseConnection } from "../src/db/client.ts";
import type { LedgerEntry } from "../src/ledger/entry.ts";
import {
  buriedOf,
  connectToFresh,
  counterOf,
  entryOf,
  freshShard,
  lettersOf,
  newSale,
  rewind,
  rowsOf,
  shardRow,
  writeOwn,
} from "./harness/ledger.ts";
import { stopEverything } from "./harness/servers.ts";

let connection: DatabaseConnection;
let shard: number;

beforeAll(async () => {
  connection = await connectToFresh();
});
afterAll(stopEverything);
beforeEach(async () => {
  shard = await freshShard(connection);
});

const write = (entries: LedgerEntry[], options?: { overGaps: boolean }) =>
  writeOwn(connection, shard, entries, options);
const places = () => buriedOf(connection.db, shard);

const TOO_LONG = "k".repeat(65);

describe("a single winner", () => {
  test.each([
    ["whose key is too long", `105:1:${TOO_LONG}`],
    ["whose key is longer than any column", `105:1:${"k".repeat(5_000)}`],
    ["whose slot is out of range", "105:4294967296:k"],
  ])("%s is buried alone", async (_, winner) => {
    const saleId = await newSale(connection.db);
    const users = Array.from({ length: 9 }, (__, i) => (i === 4 ? winner : 101 + i));
    const result = await write([
      entryOf("5-0", saleId, 1, users),
      entryOf("6-0", saleId, 10, [110]),
    ]);
    expect(result).toMatchObject({ dead: 1, lastId: "6-0" });
    const rows = await rowsOf(connection.db, saleId);
    expect(rows.map(([number]) => number)).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10]);
    const [letter, ...others] = await lettersOf(connection.db, shard);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ saleId, grantNo: 5, entryId: "5-0" });
    expect(letter?.reason).not.toBe("");
    expect((await shardRow(connection.db, shard)).lastId).toBe("6-0");
  });

  test("whose number belongs to somebody else in MySQL is buried, and the row there stands", async () => {
    const saleId = await newSale(connection.db);
    await write([entryOf("5-0", saleId, 1, [11, 12])]);
    await write([entryOf("6-0", saleId, 1, [11, 99, 13])]);
    expect(await rowsOf(connection.db, saleId)).toEqual([
      [1, 11],
      [2, 12],
      [3, 13],
    ]);
    expect(await places()).toEqual([[saleId, 2]]);
  });

  test("who holds this slot already under another number is buried", async () => {
    const saleId = await newSale(connection.db);
    await write([entryOf("5-0", saleId, 1, [11, 12])]);
    await write([entryOf("6-0", saleId, 3, [13, 11, 14])]);
    expect(await rowsOf(connection.db, saleId)).toEqual([
      [1, 11],
      [2, 12],
      [3, 13],
      [5, 14],
    ]);
    expect(await places()).toEqual([[saleId, 4]]);
  });

  test("with the same number and another key is no replay, and is buried", async () => {
    const saleId = await newSale(connection.db);
    await write([entryOf("5-0", saleId, 1, ["11:1:k"])]);
    await write([entryOf("6-0", saleId, 1, ["11:1:other"])]);
    expect(await places()).toEqual([[saleId, 1]]);
  });
});

test("a winner that cannot be read is buried alone, with its number", async () => {
  const saleId = await newSale(connection.db);
  const result = await write([entryOf("5-0", saleId, 1, [11, "x", 12])]);
  expect(result).toMatchObject({ dead: 1, rows: 2, lastId: "5-0" });
  expect(await rowsOf(connection.db, saleId)).toEqual([
    [1, 11],
    [3, 12],
  ]);
  const [letter] = await lettersOf(connection.db, shard);
  expect(letter).toMatchObject({ entryId: "5-0", saleId, grantNo: 2, payload: "x" });
});

describe("a whole entry", () => {
  test("that cannot be read is buried with all it held", async () => {
    const saleId = await newSale(connection.db);
    const broken = entryOf("5-0", saleId, 1, [11, 12], { granted: "7" });
    expect(broken.kind).toBe("broken");
    const entries = [broken, entryOf("6-0", saleId, 3, [13])];
    // What it held may be known elsewhere, so a writer leaves it to recovery.
    expect(write(entries)).rejects.toThrow("gap");
    const result = await write(entries, { overGaps: true });
    expect(result).toMatchObject({ dead: 1, rows: 1, lastId: "6-0" });
    // The counter stays before the gap, for whoever leads the recovery to its end.
    expect(await counterOf(connection.db, saleId)).toEqual({ granted: 0, returned: 0 });
    const [letter] = await lettersOf(connection.db, shard);
    expect(letter).toMatchObject({ entryId: "5-0", saleId: 0, grantNo: 0 });
    expect(letter?.payload).toContain("11,12");
    expect(letter?.reason).toContain("do not end at 7");
  });

  test("whose time is beyond MySQL's is buried winner by winner", async () => {
    const saleId = await newSale(connection.db);
    const entry = entryOf("5-0", saleId, 1, [11, 12], { at: "8640000000000000" });
    expect(await write([entry, entryOf("6-0", saleId, 3, [13])])).toMatchObject({ dead: 2 });
    expect(await rowsOf(connection.db, saleId)).toEqual([[3, 13]]);
  });

  test("of a sale that MySQL does not know is buried winner by winner", async () => {
    const saleId = await newSale(connection.db);
    const unknown = 4_000_000_000;
    await write([entryOf("5-0", unknown, 1, [11, 12]), entryOf("6-0", saleId, 1, [13])]);
    expect(await places()).toEqual([
      [unknown, 1],
      [unknown, 2],
    ]);
    expect(await rowsOf(connection.db, saleId)).toEqual([[1, 13]]);
    expect(await rowsOf(connection.db, unknown)).toEqual([]);
  });

  test.each(["x", "€", "😀"])(
    "whose payload is huge, of %s, is buried with its beginning",
    async (character) => {
      const broken = entryOf("5-0", 1, 1, [character.repeat(200_000)]);
      await write([broken]);
      const [letter] = await lettersOf(connection.db, shard);
      expect(letter?.payload.length).toBeGreaterThan(10_000);
    },
  );
});

describe("many", () => {
  test("bad winners all over a full batch are found, each alone", async () => {
    const saleId = await newSale(connection.db);
    const bad = new Set([1, 2, 333, 500, 501, 1_000]);
    const entries = Array.from({ length: 10 }, (_, e) => {
      const numbers = Array.from({ length: 100 }, (__, i) => e * 100 + i + 1);
      const winners = numbers.map((number) =>
        bad.has(number) ? `${number}:1:${TOO_LONG}` : number,
      );
      return entryOf(`5-${e}`, saleId, e * 100 + 1, winners);
    });
    expect((await write(entries)).dead).toBe(bad.size);
    expect(await places()).toEqual([...bad].map((number) => [saleId, number]));
    expect(await rowsOf(connection.db, saleId)).toHaveLength(1_000 - bad.size);
  });

  test("a replay buries nothing a second time", async () => {
    const saleId = await newSale(connection.db);
    const stream = [
      entryOf("5-0", saleId, 1, [11, `12:1:${TOO_LONG}`, 13]),
      entryOf("6-0", saleId, 4, ["x"]),
    ];
    await write(stream);
    const before = await lettersOf(connection.db, shard);
    await rewind(connection.db, shard);
    await write(stream);
    expect(await lettersOf(connection.db, shard)).toEqual(before);
    expect(before).toHaveLength(2);
  });
});

test("more granted than there is raises the alarm; the rows stand, and the counters stay honest", async () => {
  const saleId = await newSale(connection.db, { total: 2 });
  await write([entryOf("5-0", saleId, 1, [11, 12])]);
  const result = await write([entryOf("6-0", saleId, 3, [13])]);
  expect(result).toMatchObject({ dead: 1, rows: 1, lastId: "6-0" });
  expect(await rowsOf(connection.db, saleId)).toHaveLength(3);
  expect(await counterOf(connection.db, saleId)).toEqual({ granted: 2, returned: 0 });
  expect(await places()).toEqual([[saleId, 0]]);
});
