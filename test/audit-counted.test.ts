// The audit inside the service looks at what templates count of their coupons too: it tells what is wrong there, and
// no sale is paused for it, because grabs do not depend on it.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { coupons, templateUsers } from "../src/coupons/table.ts";
import { sales } from "../src/sales/table.ts";
import { templates } from "../src/templates/table.ts";
import { coupon } from "./harness/coupon-damages.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all([
    startRedis(),
    freshDatabase(),
  ]);
  engine = await startEngine({ redisUrl, databaseUrl }, { auditMs: 100 });
});
afterAll(stopEverything);

/** A sale of a template of its own, with number 1 used and counted, and number 2 locked and counted. */
async function usedSale(): Promise<{ saleId: number; templateId: number }> {
  const { db } = engine.pool;
  const [template] = await db
    .insert(templates)
    .values({ ...{ sellerId: 1, name: "t", description: "", faceValue: 500 }, budget: 10_000 })
    .$returningId();
  const templateId = template?.id ?? 0;
  const saleId = await engine.sale(1_000);
  await db.update(sales).set({ templateId }).where(eq(sales.id, saleId));
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, 10]));
  await db.transaction(async (tx) => {
    await tx.update(coupons).set({ templateId }).where(eq(coupons.saleId, saleId));
    const used = { state: "used", orderSn: "A", reserved: 300, usedAt: new Date() };
    await tx.update(coupons).set(used).where(coupon(saleId, 1));
    const lockedUntil = new Date(Date.now() + 3_600_000);
    const locked = { state: "locked", orderSn: "B", reserved: 200, lockedUntil };
    await tx.update(coupons).set(locked).where(coupon(saleId, 2));
    const users = await tx.select().from(coupons).where(eq(coupons.saleId, saleId));
    const held = users.filter(({ grantNo }) => grantNo <= 2);
    const rows = held.map(({ userId }) => ({ templateId, userId, held: 1 }));
    await tx.insert(templateUsers).values(rows);
    const counted = { budgetSpent: 300, budgetReserved: 200 };
    await tx.update(templates).set(counted).where(eq(templates.id, templateId));
  });
  return { saleId, templateId };
}

const findings = () => engine.thread.status()?.audit?.findings ?? [];
const textsOf = (saleId: number) =>
  findings()
    .filter((finding) => finding.saleId === saleId && finding.kind === "coupon_counters")
    .map(({ text }) => text);

async function metric(name: string): Promise<number> {
  const text = await engine.thread.metrics();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

test("a count that is off is told until it is right, and its sale goes on", async () => {
  const { db } = engine.pool;
  const [held, spent, reserved, sound] = [
    await usedSale(),
    await usedSale(),
    await usedSale(),
    await usedSale(),
  ];
  const [second] = await db.select().from(coupons).where(coupon(held.saleId, 2));
  const userId = second?.userId ?? 0;
  const ofSecond = and(
    eq(templateUsers.templateId, held.templateId),
    eq(templateUsers.userId, userId),
  );
  await db.update(templateUsers).set({ held: 3 }).where(ofSecond);
  const setBudget = (templateId: number, counted: Partial<typeof templates.$inferInsert>) =>
    db.update(templates).set(counted).where(eq(templates.id, templateId));
  await setBudget(spent.templateId, { budgetSpent: 301 });
  await setBudget(reserved.templateId, { budgetReserved: 0 });

  const told = [
    [
      held,
      `template ${held.templateId} counts 3 coupons as locked or used by user ${userId}, and its coupons say 1`,
    ],
    [
      spent,
      `template ${spent.templateId} counts 301 of its budget as spent, and its coupons say 300`,
    ],
    [
      reserved,
      `template ${reserved.templateId} counts 0 of its budget as set aside, and its coupons say 200`,
    ],
  ] as const;
  for (const [{ saleId }, text] of told)
    await until("the finding", () => textsOf(saleId).includes(text));
  await until("the metric", async () => (await metric("doorbuster_audit_findings")) === 3);
  const rounds = await metric("doorbuster_audit_rounds_total");
  await until(
    "further rounds",
    async () => (await metric("doorbuster_audit_rounds_total")) > rounds + 1,
  );
  for (const [{ saleId }, text] of told) expect(textsOf(saleId)).toEqual([text]);

  expect(findings().map(({ saleId }) => saleId)).not.toContain(sound.saleId);
  expect(await metric("doorbuster_audit_pauses_total")).toBe(0);
  for (const { saleId } of [held, spent, reserved, sound])
    expect((await engine.grab(saleId, 5_000)).kind).toBe("granted");

  await db.update(templateUsers).set({ held: 1 }).where(ofSecond);
  await setBudget(spent.templateId, { budgetSpent: 300 });
  await setBudget(reserved.templateId, { budgetReserved: 200 });
  await until("no finding", () => findings().length === 0);
});
