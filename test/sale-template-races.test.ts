// A sale gets another template while it is about to open: nobody wins until both stores have it, whoever dies.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { coupons } from "../src/coupons/table.ts";
import type { Redis } from "../src/redis/client.ts";
import { type ChangeRequest, createChanges } from "../src/sales/change/changes.ts";
import { saleNameKey } from "../src/sales/facts.ts";
import { newsThrough } from "../src/sales/news.ts";
import { outbox, type SaleChange, saleChanges, sales } from "../src/sales/table.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers);
});
afterAll(stopEverything);

const [OLD, NEW] = [1, 77];
const changes = (redis: Redis = engine.redis) =>
  createChanges({
    db: engine.pool.db,
    redis,
    news: newsThrough(engine.redis),
    onUnfit: () => undefined,
  });

const moving = (saleId: number, rest: Partial<ChangeRequest> = {}): ChangeRequest => ({
  ...{ saleId, action: "change", reason: "", actor: "test", requestKey: null },
  edit: () => ({ templateId: NEW, state: "paused" }),
  ...rest,
});

class Died extends Error {}

/** Changes by a process that dies right before or right after its first or second call of the script. */
function mortal(moment: "before" | "after", call: 1 | 2) {
  let calls = 0;
  const evalsha = async (...args: Parameters<Redis["evalsha"]>) => {
    calls += 1;
    const reply = calls < call || moment === "after" ? await engine.redis.evalsha(...args) : "";
    if (calls === call) throw new Died();
    return reply;
  };
  return changes({ evalsha } as unknown as Redis);
}

async function pendingOf(saleId: number) {
  const [row] = await engine.pool.db.select().from(outbox).where(eq(outbox.saleId, saleId));
  return row;
}

const rowOf = async (saleId: number) =>
  (await engine.pool.db.select().from(sales).where(eq(sales.id, saleId)))[0];

const opened = (opensAt: Date) =>
  until("the opening, by Redis's clock", async () => {
    const [seconds] = await engine.redis.time();
    return Number(seconds) * 1_000 > opensAt.getTime();
  });

const templatesOf = async (saleId: number) => {
  const made = await engine.pool.db.select().from(coupons).where(eq(coupons.saleId, saleId));
  return made.map(({ templateId }) => templateId);
};

test.each([
  ["before Redis knew of the change", "before", 1, "granted", OLD],
  ["when Redis had the pause", "after", 1, "paused", NEW],
  ["when MySQL had the template", "before", 2, "paused", NEW],
  ["when Redis had let it go on", "after", 2, "granted", NEW],
] as const)(
  "of a sale that opens after a process died %s all coupons are of one template, which is the sale's",
  async (_, moment, call, atOpening, template) => {
    const opensAt = new Date(Date.now() + 1_500);
    const saleId = await engine.sale(10, { opensAt });
    await expect(mortal(moment, call).change(moving(saleId))).rejects.toBeInstanceOf(Died);
    await opened(opensAt);
    expect((await engine.grab(saleId, 1)).kind).toBe(atOpening);
    const standing = await pendingOf(saleId);
    if (!standing) throw new Error("nothing stands in the outbox");
    const { kind } = await changes().finish(standing);
    expect(kind).toBe(template === NEW ? "done" : "opened");
    expect(await pendingOf(saleId)).toBeUndefined();
    const won = await crowd(engine, saleId, [1, 3]);
    expect(won).toHaveLength(3);
    await untilRows(engine, saleId, won);
    expect(await templatesOf(saleId)).toEqual([template, template, template]);
    const row = await rowOf(saleId);
    expect(row).toMatchObject({ templateId: template, state: "open" });
    const { state, version } = await engine.counters(saleId);
    expect([state, version]).toEqual(["open", String(row?.version)]);
  },
  60_000,
);

test("finished by many at once, it is made once, and the sale goes on", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  await expect(mortal("before", 1).change(moving(saleId))).rejects.toBeInstanceOf(Died);
  const standing = await pendingOf(saleId);
  if (!standing) throw new Error("nothing stands in the outbox");
  const outcomes = await Promise.all(Array.from({ length: 6 }, () => changes().finish(standing)));
  expect(outcomes).toEqual(Array(6).fill({ kind: "done" }));
  await until("an empty outbox", async () => (await pendingOf(saleId)) === undefined);
  expect(await rowOf(saleId)).toMatchObject({ templateId: NEW, state: "open", version: 2 });
  expect((await engine.counters(saleId)).state).toBe("open");
  const history = await engine.pool.db
    .select({ after: saleChanges.after })
    .from(saleChanges)
    .where(eq(saleChanges.saleId, saleId))
    .orderBy(saleChanges.version);
  const after: SaleChange[] = [{ templateId: NEW, state: "paused" }, { state: "open" }];
  expect(history).toEqual(after.map((change) => ({ after: change })));
});

test("who has locked a template that the sale has left meanwhile begins again", async () => {
  const saleId = await engine.sale(10, { opensAt: new Date(Date.now() + 3_600_000) });
  const locked: number[] = [];
  const judged: number[] = [];
  const outcome = await changes().change(
    moving(saleId, {
      async lockFirst(_, { templateId }) {
        if (locked.length === 0) {
          const [{ db }, isThis] = [engine.pool, eq(sales.id, saleId)];
          await db.update(sales).set({ templateId: NEW }).where(isThis);
        }
        locked.push(templateId);
      },
      edit({ templateId }) {
        judged.push(templateId);
        return { total: 20 };
      },
    }),
  );
  expect([outcome, locked, judged]).toEqual([{ kind: "done" }, [OLD, NEW], [NEW]]);
});

test("a name that somebody takes before the change is refused is not taken back", async () => {
  const { db } = engine.pool;
  const opensAt = new Date(Date.now() + 1_500);
  const [saleId, other] = [await engine.sale(10, { opensAt }), await engine.sale(10)];
  const before = await rowOf(saleId);
  const renaming = moving(saleId, { edit: () => ({ name: "another", userLimit: 3 }) });
  await expect(mortal("before", 1).change(renaming)).rejects.toBeInstanceOf(Died);
  const { name = "" } = before ?? {};
  const nameKey = saleNameKey(name);
  await db.update(sales).set({ name, nameKey }).where(eq(sales.id, other));
  await opened(opensAt);
  const standing = await pendingOf(saleId);
  if (!standing) throw new Error("nothing stands in the outbox");
  expect(await changes().finish(standing)).toEqual({ kind: "opened" });
  expect(await rowOf(saleId)).toMatchObject({ name: "another", userLimit: 1, version: 1 });
  expect(await rowOf(other)).toMatchObject({ name });
  expect(await pendingOf(saleId)).toBeUndefined();
});
