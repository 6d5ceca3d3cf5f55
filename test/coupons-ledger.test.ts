// A grant of a coupon sale becomes a coupon, in the transaction that writes the grant: exactly one, with the code
// that a repeated grab is told, or a dead letter that says why not.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { codeKeyOf, createCouponCodes } from "../src/coupons/code.ts";
import { coupons } from "../src/coupons/table.ts";
import type { DatabaseConnection } from "../src/db/client.ts";
import type { LedgerEntry } from "../src/ledger/entry.ts";
import { insertFound } from "../src/ledger/insert.ts";
import { refusedSales } from "../src/ledger/letters.ts";
import { grants } from "../src/ledger/table.ts";
import { templates } from "../src/templates/table.ts";
import { TEST_CODE_SECRET } from "./harness/api.ts";
import {
  buriedOf,
  connectToFresh,
  couponsOf,
  entryOf,
  freshShard,
  lettersOf,
  newSale,
  rewind,
  rowsOf,
  testCodes,
  writeOwn,
} from "./harness/ledger.ts";
import { stopEverything } from "./harness/servers.ts";

const NEWER_SECRET = TEST_CODE_SECRET.split("").toReversed().join("");
/** When the grants of `entryOf` were granted. */
const GRANTED_AT = new Date(1_800_000_000_123);
const DAY_MS = 86_400_000;

let connection: DatabaseConnection;
let shard: number;

beforeAll(async () => {
  connection = await connectToFresh();
});
afterAll(stopEverything);
beforeEach(async () => {
  shard = await freshShard(connection);
});

const write = (entries: LedgerEntry[], codes = testCodes) =>
  writeOwn(connection, shard, entries, { codes });

async function newTemplate(fields: Partial<typeof templates.$inferInsert> = {}): Promise<number> {
  const [row] = await connection.db
    .insert(templates)
    .values({ sellerId: 1, name: "ten off", description: "", faceValue: 10, ...fields })
    .$returningId();
  return row?.id ?? 0;
}

const couponOf = async (saleId: number) =>
  (await connection.db.select().from(coupons).where(eq(coupons.saleId, saleId)))[0];

const codeOf = (saleId: number, number: number, user: number, keyId = "") =>
  testCodes.codeOf(keyId, saleId, number, user) ?? "";

/** What MySQL must have when these users have the numbers from 1 on. */
const expected = (saleId: number, users: number[]): [number, number, string][] =>
  users.map((user, i) => [i + 1, user, codeOf(saleId, i + 1, user)]);

describe("a grant becomes a coupon", () => {
  test("of its user, with the code of its sale, number and user, unused", async () => {
    const templateId = await newTemplate();
    const saleId = await newSale(connection.db, { templateId });
    await write([entryOf("5-0", saleId, 1, [11, 12]), entryOf("6-0", saleId, 3, [13])]);
    expect(await couponsOf(connection.db, saleId)).toEqual(expected(saleId, [11, 12, 13]));
    expect(await couponOf(saleId)).toMatchObject({
      ...{ saleId, grantNo: 1, userId: 11, templateId, state: "unused", grantedAt: GRANTED_AT },
      ...{ validFrom: null, expiresAt: null, orderSn: null, reserved: 0, usedAt: null },
    });
  });

  test("usable within the instants of its template", async () => {
    const [validFrom, validUntil] = [new Date(1_700_000_000_000), new Date(1_900_000_000_456)];
    const templateId = await newTemplate({ validFrom, validUntil });
    const saleId = await newSale(connection.db, { templateId });
    await write([entryOf("5-0", saleId, 1, [11])]);
    expect(await couponOf(saleId)).toMatchObject({ validFrom, expiresAt: validUntil });
  });

  test("usable for so many days after the grant, to the millisecond", async () => {
    const templateId = await newTemplate({ validDays: 30 });
    const saleId = await newSale(connection.db, { templateId });
    await write([entryOf("5-0", saleId, 1, [11])]);
    const expiresAt = new Date(GRANTED_AT.getTime() + 30 * DAY_MS);
    expect(await couponOf(saleId)).toMatchObject({ validFrom: null, expiresAt });
  });

  test("in each sale by the template and the secret of that sale", async () => {
    const both = createCouponCodes([NEWER_SECRET, TEST_CODE_SECRET]);
    const [first, second] = [await newTemplate(), await newTemplate({ validDays: 1 })];
    const old = await newSale(connection.db, { templateId: first, codeKey: testCodes.current });
    const fresh = await newSale(connection.db, { templateId: second, codeKey: both.current });
    await write([entryOf("5-0", old, 1, [11]), entryOf("6-0", fresh, 1, [11])], both);
    expect(await couponOf(old)).toMatchObject({ templateId: first, code: codeOf(old, 1, 11) });
    const code = both.codeOf(both.current, fresh, 1, 11) ?? "";
    expect(code).toStartWith(codeKeyOf(NEWER_SECRET));
    expect(await couponOf(fresh)).toMatchObject({ templateId: second, code });
  });

  test("also where recovery has found it elsewhere than in the ledger", async () => {
    const { db } = connection;
    const templateId = await newTemplate();
    const saleId = await newSale(db, { templateId });
    const row = { saleId, userSlot: 1, keyHash: null, epoch: 2, grantedAt: GRANTED_AT };
    const rows = [1, 2].map((grantNo) => ({ ...row, grantNo, userId: 10 + grantNo }));
    const batch = { shard, codes: testCodes, dead: 0 };
    const sale = { templateId, codeKey: "" };
    const restored = await db.transaction((tx) => insertFound(tx, batch, "recovery-2", sale, rows));
    expect([restored, batch.dead]).toEqual([2, 0]);
    expect(await couponsOf(db, saleId)).toEqual(expected(saleId, [11, 12]));
  });
});

test("a coupon that MySQL does not take now takes its grant back with it", async () => {
  const { db } = connection;
  const saleId = await newSale(db, { templateId: await newTemplate() });
  const entries = [entryOf("5-0", saleId, 1, [11])];
  await db.execute(
    sql.raw("CREATE TRIGGER broken BEFORE INSERT ON coupons FOR EACH ROW SIGNAL SQLSTATE '45000'"),
  );
  try {
    await expect(write(entries)).rejects.toThrow();
  } finally {
    await db.execute(sql`DROP TRIGGER broken`);
  }
  expect(await rowsOf(db, saleId)).toEqual([]);
  expect(await lettersOf(db, shard)).toEqual([]);
  await write(entries);
  expect(await couponsOf(db, saleId)).toEqual(expected(saleId, [11]));
});

describe("a replay", () => {
  test("makes no coupon twice, and no coupon again that has been used", async () => {
    const { db } = connection;
    const saleId = await newSale(db, { templateId: await newTemplate() });
    const stream = [entryOf("5-0", saleId, 1, [11, 12])];
    await write(stream);
    await db.update(coupons).set({ state: "used" }).where(eq(coupons.saleId, saleId));
    const before = await db.select().from(coupons).where(eq(coupons.saleId, saleId));
    await rewind(db, shard);
    expect(await write([...stream, entryOf("6-0", saleId, 3, [13])])).toMatchObject({ dead: 0 });
    const after = await db.select().from(coupons).where(eq(coupons.saleId, saleId));
    expect(after.slice(0, 2)).toEqual(before);
    expect(await couponsOf(db, saleId)).toEqual(expected(saleId, [11, 12, 13]));
  });

  test("whose grants are gone and whose coupons are not writes the grants, and buries nothing", async () => {
    const { db } = connection;
    const saleId = await newSale(db, { templateId: await newTemplate() });
    const stream = [entryOf("5-0", saleId, 1, [11, 12, 13])];
    await write(stream);
    await db.delete(grants).where(eq(grants.saleId, saleId));
    await db.delete(coupons).where(eq(coupons.code, codeOf(saleId, 2, 12)));
    await rewind(db, shard);
    expect(await write(stream)).toMatchObject({ rows: 3, dead: 0 });
    expect(await rowsOf(db, saleId)).toHaveLength(3);
    expect(await couponsOf(db, saleId)).toEqual(expected(saleId, [11, 12, 13]));
  });
});

describe("what keeps a coupon from being written goes to dead_letters, and the grant stands", () => {
  const buried = () => buriedOf(connection.db, shard);

  test("a number that has somebody else's coupon", async () => {
    const { db } = connection;
    const saleId = await newSale(db, { templateId: await newTemplate() });
    await db.insert(coupons).values({
      ...{ saleId, grantNo: 2, userId: 99, templateId: 1, code: "X", grantedAt: GRANTED_AT },
    });
    expect(await write([entryOf("5-0", saleId, 1, [11, 12, 13])])).toMatchObject({ dead: 1 });
    expect(await rowsOf(db, saleId)).toHaveLength(3);
    expect(await couponsOf(db, saleId)).toEqual([
      [1, 11, codeOf(saleId, 1, 11)],
      [2, 99, "X"],
      [3, 13, codeOf(saleId, 3, 13)],
    ]);
    const [letter] = await lettersOf(db, shard);
    expect(letter).toMatchObject({ saleId, grantNo: 2, entryId: "5-0" });
    expect(letter?.reason).toStartWith("its coupon: ");
    expect(letter?.payload).not.toContain(codeOf(saleId, 2, 12));
  });

  test("a template whose days lead beyond all dates, while other sales of the batch get theirs", async () => {
    const { db } = connection;
    const endless = await newTemplate({ validDays: 4_294_967_295 });
    const bad = await newSale(db, { templateId: endless });
    const good = await newSale(db, { templateId: await newTemplate() });
    await write([entryOf("5-0", bad, 1, [11, 12]), entryOf("6-0", good, 1, [11])]);
    expect(await buried()).toEqual([
      [bad, 1],
      [bad, 2],
    ]);
    expect(await rowsOf(db, bad)).toHaveLength(2);
    expect(await couponsOf(db, good)).toEqual(expected(good, [11]));
  });

  test("a secret that is not configured, which the letter names", async () => {
    const { db } = connection;
    const codeKey = codeKeyOf(NEWER_SECRET);
    const saleId = await newSale(db, { templateId: await newTemplate(), codeKey });
    expect(await write([entryOf("5-0", saleId, 1, [11])])).toMatchObject({ rows: 1, dead: 1 });
    expect(await rowsOf(db, saleId)).toEqual([[1, 11]]);
    expect(await couponsOf(db, saleId)).toEqual([]);
    const [letter] = await lettersOf(db, shard);
    expect(letter?.reason).toBe(`its coupon: CODE_SECRET lacks the secret ${codeKey}`);
  });

  test("but not a grant that is refused itself: it gets one letter and no coupon", async () => {
    const { db } = connection;
    const saleId = await newSale(db, { templateId: await newTemplate() });
    await write([entryOf("5-0", saleId, 1, [11, `12:1:${"k".repeat(65)}`, 13])]);
    expect(await buried()).toEqual([[saleId, 2]]);
    expect((await couponsOf(db, saleId)).map(([number]) => number)).toEqual([1, 3]);
  });

  test("and a recovery looks again at sales of refused grants, not of refused coupons", async () => {
    const { db } = connection;
    const refused = await newSale(db);
    const without = await newSale(db, { codeKey: codeKeyOf(NEWER_SECRET) });
    await write([
      entryOf("5-0", refused, 1, [`11:1:${"k".repeat(65)}`]),
      entryOf("6-0", without, 1, [11]),
    ]);
    expect(await buried()).toEqual([
      [refused, 1],
      [without, 1],
    ]);
    expect(await refusedSales(db, shard)).toEqual(new Set([refused]));
  });
});
