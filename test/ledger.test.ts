// The ledger's writer on a real MySQL or MariaDB: each entry takes effect exactly once, or not at all.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import type { DatabaseConnection } from "../src/db/client.ts";
import { ER_LOCK_WAIT_TIMEOUT, errnoOf } from "../src/db/errors.ts";
import type { LedgerEntry } from "../src/ledger/entry.ts";
import { grants, shards } from "../src/ledger/table.ts";
import { writeBatch } from "../src/ledger/writer.ts";
import { limits } from "../src/limits.ts";
import { sales } from "../src/sales/table.ts";
import {
  connectTo,
  connectToFresh,
  counterOf,
  couponsOf,
  entryOf,
  freshShard,
  lettersOf,
  newSale,
  rewind,
  rowsOf,
  shardRow,
  testCodes,
  WRITER,
  writeOwn,
} from "./harness/ledger.ts";
import { stopEverything } from "./harness/servers.ts";
import { untilSomebodyWaits } from "./harness/waits.ts";

let url: string;
let connection: DatabaseConnection;
let observer: DatabaseConnection;
let shard: number;

const connect = () => connectTo(url);

/** Another connection of this process, which takes the lease. */
async function connectAsWriter() {
  const made = await connect();
  await made.db.update(shards).set({ connectionId: made.threadId }).where(eq(shards.shard, shard));
  return made;
}

beforeAll(async () => {
  const fresh = await connectToFresh();
  [url, connection] = [fresh.url, fresh];
  observer = await connect();
});
afterAll(stopEverything);
beforeEach(async () => {
  shard = await freshShard(connection);
});

const write = (entries: LedgerEntry[], by = connection, owner = WRITER) =>
  writeBatch(by.db, { owner, connectionId: by.threadId, shard, codes: testCodes }, entries);

const writeAll = (entries: LedgerEntry[]) => writeOwn(connection, shard, entries);

describe("a batch", () => {
  test("becomes rows, counters and a cursor", async () => {
    const { db } = connection;
    const [one, other] = [await newSale(db), await newSale(db, { userLimit: 2 })];
    const result = await writeAll([
      entryOf("1-0", one, 1, [11, 12]),
      entryOf("1-1", other, 1, ["21:1:k1", "21:2:k2"], { returned: "1" }),
      entryOf("2-0", one, 3, [13]),
    ]);
    expect(result).toEqual({
      ...{ kind: "written", lastId: "2-0", rows: 5, dead: 0 },
      recorded: new Map([
        [one, 3],
        [other, 2],
      ]),
    });
    expect(await rowsOf(db, one)).toEqual([
      [1, 11],
      [2, 12],
      [3, 13],
    ]);
    expect(await counterOf(db, one)).toEqual({ granted: 3, returned: 0 });
    expect(await counterOf(db, other)).toEqual({ granted: 2, returned: 1 });
    const [, second] = await db.select().from(grants).where(eq(grants.saleId, other));
    expect(second).toEqual({
      ...{ saleId: other, grantNo: 2, userId: 21, userSlot: 2, keyHash: "k2", epoch: 1 },
      ...{ grantedAt: new Date(1_800_000_000_123), returnedAt: null, state: "granted" },
    });
    expect(await shardRow(db, shard)).toMatchObject({ lastId: "2-0", expired: false });
  });

  test("of no entries only renews the lease", async () => {
    expect(await writeAll([])).toMatchObject({ rows: 0, lastId: "0-0" });
    expect((await shardRow(connection.db, shard)).leaseUntil).not.toBeNull();
  });

  test("of the greatest size goes in whole", async () => {
    const saleId = await newSale(connection.db);
    const users = Array.from({ length: limits.batchGrantsMax }, (_, i) => 1_000_000 - i);
    expect((await writeAll([entryOf("1-0", saleId, 1, users)])).rows).toBe(users.length);
    expect(await rowsOf(connection.db, saleId)).toEqual(users.map((user, i) => [i + 1, user]));
  });

  test("with only a marker moves the cursor past it", async () => {
    expect(await writeAll([{ id: "7-0", kind: "marker" }])).toMatchObject({
      lastId: "7-0",
      rows: 0,
    });
    expect((await shardRow(connection.db, shard)).lastId).toBe("7-0");
  });
});

describe("once", () => {
  test("a replay of the whole stream changes nothing", async () => {
    const { db } = connection;
    const saleId = await newSale(db, { userLimit: 3 });
    const stream = [
      entryOf("1-0", saleId, 1, [11, "12:1:k"]),
      entryOf("2-0", saleId, 3, ["12:2:l", 13], { returned: "1" }),
    ];
    await writeAll(stream);
    const seen = async () => [
      await db.select().from(grants).where(eq(grants.saleId, saleId)),
      await db.select().from(sales).where(eq(sales.id, saleId)),
      await lettersOf(db, shard),
    ];
    const before = await seen();
    await rewind(db, shard);
    await writeAll(stream);
    expect(await seen()).toEqual(before);
    expect((await shardRow(db, shard)).lastId).toBe("2-0");
  });

  test("a replay that overlaps with new entries writes the new ones", async () => {
    const { db } = connection;
    const saleId = await newSale(db);
    const old = Array.from({ length: 20 }, (_, i) => entryOf(`1-${i}`, saleId, i + 1, [i + 1]));
    await writeAll(old);
    await rewind(db, shard);
    await writeAll([...old, entryOf("2-0", saleId, 21, [21, 22])]);
    expect(await rowsOf(db, saleId)).toEqual(Array.from({ length: 22 }, (_, i) => [i + 1, i + 1]));
    expect(await lettersOf(db, shard)).toEqual([]);
  });

  test("entries behind the cursor are skipped without a look at what is in them", async () => {
    const { db } = connection;
    const saleId = await newSale(db);
    await writeAll([entryOf("5-0", saleId, 1, [11])]);
    const late = [entryOf("4-9", saleId, 2, [12]), entryOf("5-0", saleId, 2, [13])];
    expect(await writeAll([...late, entryOf("5-1", saleId, 2, [14])])).toMatchObject({ rows: 1 });
    expect(await rowsOf(db, saleId)).toEqual([
      [1, 11],
      [2, 14],
    ]);
  });

  test("a writer that did not hear of its COMMIT finds the cursor moved and what is recorded", async () => {
    const saleId = await newSale(connection.db);
    const entries = [entryOf("5-0", saleId, 1, [11])];
    await writeAll(entries);
    expect(await writeAll(entries)).toEqual({
      ...{ kind: "written", lastId: "5-0", rows: 0, dead: 0 },
      recorded: new Map([[saleId, 1]]),
    });
  });

  test("after a gap is not written: what is missing may be known elsewhere", async () => {
    const { db } = connection;
    const saleId = await newSale(db);
    await writeAll([entryOf("1-0", saleId, 1, [11])]);
    const torn = [entryOf("2-0", saleId, 2, [12]), entryOf("4-0", saleId, 5, [15])];
    expect(await write(torn)).toEqual({
      ...{ kind: "gap", gap: { saleId, expected: 3, first: 5 } },
    });
    expect(await rowsOf(db, saleId)).toEqual([[1, 11]]);
  });

  test("counters never go down, in whatever order entries come back", async () => {
    const saleId = await newSale(connection.db);
    await writeAll([entryOf("5-0", saleId, 1, [11, 12], { returned: "2" })]);
    await writeAll([entryOf("6-0", saleId, 1, [11], { returned: "0" })]);
    expect(await counterOf(connection.db, saleId)).toEqual({ granted: 2, returned: 2 });
  });
});

describe("whose", () => {
  test("whoever does not hold the lease writes nothing", async () => {
    const saleId = await newSale(connection.db);
    const result = await write([entryOf("5-0", saleId, 1, [11])], connection, "another process");
    expect(result).toEqual({ kind: "not_owner" });
    expect(await rowsOf(connection.db, saleId)).toEqual([]);
    expect((await shardRow(connection.db, shard)).lastId).toBe("0-0");
  });

  test("a second writer waits for the row, and stops when the lease is not its own any more", async () => {
    const saleId = await newSale(connection.db);
    const second = await connectAsWriter();
    let writing: Promise<unknown> | undefined;
    await connection.db.transaction(async (tx) => {
      await tx.select().from(shards).where(eq(shards.shard, shard)).for("update");
      writing = write([entryOf("5-0", saleId, 1, [11])], second);
      await untilSomebodyWaits(observer.db);
      await tx.update(shards).set({ leaseOwner: "another process" }).where(eq(shards.shard, shard));
    });
    expect(await writing).toEqual({ kind: "not_owner" });
    expect(await rowsOf(connection.db, saleId)).toEqual([]);
  });

  test("of two connections of one process only the one that took the lease writes", async () => {
    const saleId = await newSale(connection.db);
    const entries = [entryOf("5-0", saleId, 1, [11, 12, 13])];
    const both = await Promise.all([write(entries, await connect()), write(entries)]);
    expect(both.map(({ kind }) => kind)).toEqual(["not_owner", "written"]);
    expect(await rowsOf(connection.db, saleId)).toHaveLength(3);
  });
});

describe("all or nothing", () => {
  const nothingOf = async (saleId: number) => {
    expect(await rowsOf(connection.db, saleId)).toEqual([]);
    expect(await couponsOf(connection.db, saleId)).toEqual([]);
    expect(await counterOf(connection.db, saleId)).toEqual({ granted: 0, returned: 0 });
    expect((await shardRow(connection.db, shard)).lastId).toBe("0-0");
    expect(await lettersOf(connection.db, shard)).toEqual([]);
  };

  test("a cursor that cannot be moved takes the rows back with it", async () => {
    const { db } = connection;
    const saleId = await newSale(db);
    await db.execute(
      sql.raw(
        `CREATE TRIGGER broken BEFORE UPDATE ON shards FOR EACH ROW IF NEW.shard = ${shard} THEN SIGNAL SQLSTATE '45000'; END IF`,
      ),
    );
    try {
      await expect(write([entryOf("5-0", saleId, 1, [11])])).rejects.toThrow();
    } finally {
      await db.execute(sql`DROP TRIGGER broken`);
    }
    await nothingOf(saleId);
    expect((await writeAll([entryOf("5-0", saleId, 1, [11])])).rows).toBe(1);
  });

  test("a connection that is killed between the rows and the cursor leaves neither", async () => {
    const saleId = await newSale(connection.db);
    const victim = await connectAsWriter();
    let outcome: Promise<unknown> | undefined;
    await connection.db.transaction(async (tx) => {
      // The rows go in; then the writer waits here for the sale's counters.
      await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
      outcome = write([entryOf("5-0", saleId, 1, [11])], victim).catch((error: unknown) => error);
      await untilSomebodyWaits(observer.db);
      await observer.db.execute(sql.raw(`KILL ${victim.threadId}`));
      expect(await outcome).toBeInstanceOf(Error);
    });
    await nothingOf(saleId);
  });

  test("waiting too long for a lock is nobody's fault: it is thrown, and nothing is buried", async () => {
    const saleId = await newSale(connection.db);
    const writer = await connectAsWriter();
    await writer.db.execute(sql`SET SESSION innodb_lock_wait_timeout = 1`);
    const entries = [entryOf("5-0", saleId, 1, [11])];
    await connection.db.transaction(async (tx) => {
      await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
      const error = await write(entries, writer).catch((thrown: unknown) => thrown);
      expect(errnoOf(error)).toBe(ER_LOCK_WAIT_TIMEOUT);
    });
    await nothingOf(saleId);
    expect(await write(entries, writer)).toMatchObject({ rows: 1, dead: 0 });
  });
});
