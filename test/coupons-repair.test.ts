// Grants without a coupon, from before there were coupons or because MySQL refused it: `doorbuster coupons repair`
// makes what is missing and nothing else, and the audit is content afterwards.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { and, eq, inArray } from "drizzle-orm";
import { coupons, couponUsageLogs } from "../src/coupons/table.ts";
import { deadLetters, grants } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { shardOf } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { runAudit, runCli } from "./harness/cli.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { couponsOf, lettersOf } from "./harness/ledger.ts";
import { startStores, stopEverything } from "./harness/servers.ts";

let servers: { redisUrl: string; databaseUrl: string };
let engine: Engine;

beforeAll(async () => {
  ({ servers } = await startStores());
  // What is damaged here must not be looked at before it is repaired.
  engine = await startEngine(servers);
});
afterAll(stopEverything);

const db = () => engine.pool.db;

async function soldSale(winners = 10): Promise<number> {
  const saleId = await engine.sale(winners);
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, winners]));
  return saleId;
}

const forget = (saleId: number, ...numbers: number[]) =>
  db()
    .delete(coupons)
    .where(and(eq(coupons.saleId, saleId), inArray(coupons.grantNo, numbers)));

const bury = (saleId: number, grantNo: number, reason: string) =>
  db()
    .insert(deadLetters)
    .values({ shard: shardOf(saleId), entryId: "5-0", saleId, grantNo, reason, payload: "{}" });

const repair = async (saleId: number) => {
  const { code, output } = await runCli(servers, "coupons", "repair", "--sale", String(saleId));
  return { code, output };
};
const audited = async (saleId: number) => {
  const { report } = await runAudit(servers, "--sale", String(saleId));
  return report.findings.map(({ kind, numbers }) => [kind, ...numbers]);
};

test("coupons that are missing are made as they were, batch by batch, and a second run makes none", async () => {
  const saleId = await soldSale(30);
  const before = await db().select().from(coupons).where(eq(coupons.saleId, saleId));
  const last = limits.couponRepairNumbersPerBatch;
  // One number of a later batch; the audit, which knows that it was never granted, comes after it is gone.
  const [grant] = await db().select().from(grants).where(eq(grants.saleId, saleId)).limit(1);
  if (!grant) throw new Error("there are 30");
  const far = { ...grant, grantNo: last + 1, userId: 9_999 };
  await db().insert(grants).values(far);
  await forget(saleId, 1, 7, 30);
  expect(await repair(saleId)).toMatchObject({
    code: 0,
    output: expect.stringContaining("Made 4 coupons."),
  });
  await forget(saleId, last + 1);
  await db()
    .delete(grants)
    .where(and(eq(grants.saleId, saleId), eq(grants.grantNo, last + 1)));
  const after = await db().select().from(coupons).where(eq(coupons.saleId, saleId));
  const withoutId = (rows: typeof before) =>
    rows.map((row) => ({ ...row, id: 0 })).sort((a, b) => a.grantNo - b.grantNo);
  expect(withoutId(after)).toEqual(withoutId(before));
  expect(await audited(saleId)).toEqual([]);
  expect((await repair(saleId)).output).toContain("Made 0 coupons.");
});

test("the letter of a coupon goes when the coupon is there, and the sale can be resumed", async () => {
  const saleId = await soldSale();
  await forget(saleId, 3);
  await bury(saleId, 3, "its coupon: CODE_SECRET lacks the secret ZZ");
  await db().update(sales).set({ state: "paused" }).where(eq(sales.id, saleId));
  const resume = () => runCli(servers, "resume", "--sale", String(saleId));
  expect((await resume()).code).toBe(1);
  const { code, output } = await repair(saleId);
  expect([code, output]).toEqual([0, expect.stringContaining("1 dead letter settled")]);
  expect(await lettersOf(db(), shardOf(saleId))).toEqual([]);
  expect((await resume()).code).toBe(0);
});

test("a letter of a grant stays, and so does that of a coupon which somebody else has", async () => {
  const saleId = await soldSale();
  await bury(saleId, 4, "Data too long");
  await bury(saleId, 5, "its coupon: Duplicate entry");
  await db()
    .update(coupons)
    .set({ userId: 77 })
    .where(and(eq(coupons.saleId, saleId), eq(coupons.grantNo, 5)));
  expect((await repair(saleId)).output).toContain("Made 0 coupons.");
  const letters = await lettersOf(db(), shardOf(saleId));
  expect(letters.filter((one) => one.saleId === saleId)).toHaveLength(2);
});

test("numbers that are void or given back get none, and neither do other sales", async () => {
  const [saleId, other] = [await soldSale(), await soldSale()];
  await forget(saleId, 1, 2, 3);
  await forget(other, 1);
  const change = (grantNo: number, state: string) =>
    db()
      .update(grants)
      .set({ state, returnedAt: new Date(), userSlot: null })
      .where(and(eq(grants.saleId, saleId), eq(grants.grantNo, grantNo)));
  await change(1, "void");
  await change(2, "returned");
  expect((await repair(saleId)).output).toContain("Made 1 coupon.");
  expect((await couponsOf(db(), saleId)).map(([number]) => number)).toEqual([
    3, 4, 5, 6, 7, 8, 9, 10,
  ]);
  expect(await audited(other)).toEqual([["coupon_missing", 1]]);
  const all = await runCli(servers, "coupons", "repair");
  expect([all.code, all.output]).toEqual([
    0,
    expect.stringContaining(`sale ${other}  1 coupon made`),
  ]);
});

test("the audit wants a coupon of no number that the repair makes none of", async () => {
  const saleId = await soldSale();
  const ofCoupons = async () =>
    (await audited(saleId)).filter(([kind]) => String(kind).startsWith("coupon_"));
  await forget(saleId, 2);
  for (const grantNo of [2, 4])
    await db()
      .update(grants)
      .set({ state: "returned", returnedAt: new Date(), userSlot: null })
      .where(and(eq(grants.saleId, saleId), eq(grants.grantNo, grantNo)));
  // What can be used of it is given twice: its unit may be granted again.
  expect(await ofCoupons()).toEqual([["coupon_unknown", 4]]);
  expect((await repair(saleId)).output).toContain("Made 0 coupons.");
  await db()
    .update(coupons)
    .set({ state: "expired", expiresAt: new Date(0) })
    .where(and(eq(coupons.saleId, saleId), eq(coupons.grantNo, 4)));
  const [expired] = await db()
    .select({ couponId: coupons.id })
    .from(coupons)
    .where(and(eq(coupons.saleId, saleId), eq(coupons.grantNo, 4)));
  if (!expired) throw new Error("number 4 has a coupon");
  await db()
    .insert(couponUsageLogs)
    .values({ ...expired, action: "expire", actor: "sweep", at: new Date() });
  expect(await ofCoupons()).toEqual([]);
});

test("what cannot be made is told and kept as a letter, once", async () => {
  const saleId = await soldSale();
  await forget(saleId, 6);
  await db().update(sales).set({ codeKey: "ZZ" }).where(eq(sales.id, saleId));
  for (let run = 0; run < 2; run += 1) {
    const { code, output } = await repair(saleId);
    expect([code, output]).toEqual([1, expect.stringContaining("could not make 1")]);
    const letters = await lettersOf(db(), shardOf(saleId));
    expect(letters.filter((one) => one.saleId === saleId)).toMatchObject([
      { grantNo: 6, reason: "its coupon: CODE_SECRET lacks the secret ZZ" },
    ]);
  }
  expect(await repair(999_999)).toEqual({ code: 2, output: "There is no sale 999999.\n" });
});
