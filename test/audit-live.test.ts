// The audit inside the service: a sale whose numbers do not agree is paused, the others go on, and one that is in
// order is never paused, however much is going on.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import type { FindingKind } from "../src/audit/finding.ts";
import { coupons } from "../src/coupons/table.ts";
import { grants } from "../src/ledger/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { pauseSale } from "../src/sales/change/pause.ts";
import { sales } from "../src/sales/table.ts";
import { runCli } from "./harness/cli.ts";
import { coupon } from "./harness/coupon-damages.ts";
import { row } from "./harness/damages.ts";
import { crowd, type Engine, latestRecovery, startEngine, untilRows } from "./harness/engine.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

const AUDIT_MS = 100;

let servers: { redisUrl: string; databaseUrl: string };
let engine: Engine;

beforeAll(async () => {
  const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all([
    startRedis(),
    freshDatabase(),
  ]);
  servers = { redisUrl, databaseUrl };
  engine = await startEngine(servers, { auditMs: AUDIT_MS });
});
afterAll(stopEverything);

const stateInMysql = async (saleId: number) => {
  const [sale] = await engine.pool.db
    .select({ state: sales.state })
    .from(sales)
    .where(eq(sales.id, saleId));
  return sale?.state;
};

/** Waits until the sale is paused in both stores. */
const untilPaused = (saleId: number) =>
  until("a paused sale", async () => {
    const { state } = await engine.counters(saleId);
    return state === "paused" && (await stateInMysql(saleId)) === "paused";
  });

const findingsOf = (saleId: number) =>
  (engine.thread.status()?.audit?.findings ?? []).filter((finding) => finding.saleId === saleId);

async function metric(name: string): Promise<number> {
  const text = await engine.thread.metrics();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

/** A sale with some winners, all of them recorded. */
async function soldSale(winners = 30): Promise<number> {
  const saleId = await engine.sale(1_000);
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, winners]));
  return saleId;
}

interface Damage {
  readonly what: string;
  readonly kind: FindingKind;
  readonly hurt: (saleId: number) => Promise<unknown>;
}

const winners = (saleId: number) => saleKeys(saleId).winners;
const sale = (saleId: number) => saleKeys(saleId).sale;

const damages: readonly Damage[] = [
  {
    what: "a winner is lost",
    kind: "winner_missing",
    hurt: (saleId) => engine.redis.hdel(winners(saleId), "7"),
  },
  {
    what: "a row is lost",
    kind: "number_missing",
    hurt: (saleId) => engine.pool.db.delete(grants).where(row(saleId, 7)),
  },
  {
    what: "a row has another user",
    kind: "winner_differs",
    hurt: (saleId) => engine.pool.db.update(grants).set({ userId: 9_999 }).where(row(saleId, 7)),
  },
  {
    what: "a winner has another's number",
    kind: "winner_unknown",
    hurt: (saleId) => engine.redis.hset(winners(saleId), "9999", "7"),
  },
  {
    what: "a coupon is lost",
    kind: "coupon_missing",
    hurt: (saleId) => engine.pool.db.delete(coupons).where(coupon(saleId, 7)),
  },
  {
    what: "a coupon is another user's",
    kind: "coupon_differs",
    hurt: (saleId) => engine.pool.db.update(coupons).set({ userId: 9 }).where(coupon(saleId, 7)),
  },
  {
    what: "more came back in Redis than in MySQL",
    kind: "counters",
    hurt: (saleId) => engine.redis.hset(sale(saleId), "returned", "3"),
  },
  {
    what: "its total is another in Redis",
    kind: "sale_differs",
    hurt: (saleId) => engine.redis.hset(sale(saleId), "total", "5000"),
  },
];

describe("a sale is paused within seconds, and told with its finding, when", () => {
  const hurt = new Map<Damage, number>();
  let other: number;
  let unreadable: number;

  beforeAll(async () => {
    other = await soldSale();
    unreadable = await soldSale();
    await engine.redis.set(winners(unreadable), "no hash");
    for (const damage of damages) hurt.set(damage, await soldSale());
    for (const [damage, saleId] of hurt) await damage.hurt(saleId);
  });

  test.each(damages.map((damage) => [damage.what, damage] as const))("%s", async (_, damage) => {
    const saleId = hurt.get(damage) ?? 0;
    await untilPaused(saleId);
    await until("the finding", () => findingsOf(saleId).some(({ kind }) => kind === damage.kind));
    expect(await engine.grab(saleId, 5_000)).toEqual({ kind: "paused" });
  });

  test("its winners are no hash, which keeps nobody from looking at the others", async () => {
    await untilPaused(unreadable);
    await until("the finding", () => findingsOf(unreadable).length > 0);
    expect(findingsOf(unreadable).map(({ kind }) => kind)).toEqual(["unreadable"]);
  });

  test("the others go on", async () => {
    expect((await engine.grab(other, 5_000)).kind).toBe("granted");
    expect(findingsOf(other)).toEqual([]);
    expect(await metric("doorbuster_audit_findings")).toBeGreaterThanOrEqual(damages.length);
    expect(await metric("doorbuster_audit_pauses_total")).toBe(damages.length + 1);
  });
});

test("a number that was sold after the last round is looked at as well", async () => {
  const saleId = await soldSale();
  const rounds = await metric("doorbuster_audit_rounds_total");
  await until("a round", async () => (await metric("doorbuster_audit_rounds_total")) > rounds + 1);
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, 200]));
  await engine.pool.db.update(grants).set({ userId: 9_999 }).where(row(saleId, 150));
  await untilPaused(saleId);
});

test("a row far beyond what was sold is found while the sale goes on selling", async () => {
  const saleId = await engine.sale(100_000);
  await untilRows(engine, saleId, await crowd(engine, saleId, [1, 30]));
  await engine.pool.db.insert(grants).values({
    ...{ saleId, grantNo: 90_000, userId: 99_999, userSlot: 1, epoch: 1, grantedAt: new Date() },
  });
  // One at a time, so that the audit comes before the sale is over.
  for (let user = 100; (await engine.counters(saleId)).state !== "paused"; user += 1) {
    expect(user).toBeLessThan(90_000);
    await engine.grabSurely(saleId, user);
  }
  await until("the finding", () => findingsOf(saleId).some(({ kind }) => kind === "counters"));
});

test("a sale that Redis has lost is not paused but recovered", async () => {
  const saleId = await soldSale();
  await engine.redis.del(saleKeys(saleId).sale);
  await until("a recovery", async () => {
    const { reason = "" } = (await latestRecovery(engine, saleId)) ?? {};
    return reason.includes(`sale ${saleId} is missing`);
  });
  expect(await engine.grabSurely(saleId, 5_000)).toEqual({ kind: "granted", number: 31 });
});

test("what was found before a recovery pauses nothing after it", async () => {
  const saleId = await soldSale();
  const deps = { redis: engine.redis, db: engine.pool.db, onUnfit: () => undefined };
  const epoch = Number(await engine.redis.hget(saleKeys(saleId).gate, "epoch"));
  expect(await pauseSale(deps, saleId, epoch - 1)).toBe("fenced");
  expect((await engine.counters(saleId)).state).toBe("open");
  expect(await stateInMysql(saleId)).toBe("open");
  expect(await pauseSale(deps, saleId, epoch)).toBe("set");
  expect((await engine.counters(saleId)).state).toBe("paused");
  expect(await stateInMysql(saleId)).toBe("paused");
});

test("a sale that lacks a counter is recovered, and that is the reason told", async () => {
  const saleId = await soldSale();
  await engine.redis.hdel(saleKeys(saleId).sale, "recorded");
  await until("a recovery", async () => {
    const { reason = "" } = (await latestRecovery(engine, saleId)) ?? {};
    return reason.includes(`sale ${saleId} lacks a counter`);
  });
  expect(await engine.grabSurely(saleId, 5_000)).toEqual({ kind: "granted", number: 31 });
});

describe("a paused sale", () => {
  test("stays paused when its shard is rebuilt from MySQL", async () => {
    const saleId = await soldSale();
    await engine.redis.hset(saleKeys(saleId).sale, "total", "5000");
    await untilPaused(saleId);
    await engine.redis.del(saleKeys(saleId).sale);
    await until("a rebuilt sale", async () => (await engine.counters(saleId)).total === "1000");
    expect((await engine.counters(saleId)).state).toBe("paused");
  });

  test("is opened by an operator, and only when its numbers agree", async () => {
    const saleId = await soldSale();
    await engine.redis.hdel(saleKeys(saleId).winners, "7");
    await untilPaused(saleId);
    const refused = await runCli(servers, "resume", "--sale", String(saleId));
    expect(refused.output).toMatch(/winner_missing .*number 7[\s\S]*stays as it is/);
    expect(refused.code).toBe(1);
    expect((await engine.counters(saleId)).state).toBe("paused");
    const row7 = (await engine.pool.db.select().from(grants).where(row(saleId, 7)))[0];
    expect(row7?.userId).toBe(7);
    await engine.redis.hset(saleKeys(saleId).winners, "7", "7");
    const opened = await runCli(servers, "resume", "--sale", String(saleId));
    expect(opened).toMatchObject({ code: 0 });
    expect(opened.output).toContain("open again");
    expect(await stateInMysql(saleId)).toBe("open");
    expect(await engine.grab(saleId, 5_000)).toEqual({ kind: "granted", number: 31 });
    await until("no finding", () => findingsOf(saleId).length === 0);
  });

  test("of which only Redis knows that it is paused is opened as well", async () => {
    const saleId = await soldSale();
    await engine.pool.db.update(sales).set({ state: "paused" }).where(eq(sales.id, saleId));
    await untilPaused(saleId);
    expect((await runCli(servers, "resume", "--sale", String(saleId))).code).toBe(0);
    expect((await engine.counters(saleId)).state).toBe("open");
  });
});

test("resuming nothing could not run", async () => {
  expect((await runCli(servers, "resume")).code).toBe(2);
  expect((await runCli(servers, "resume", "--sale", "999999")).code).toBe(2);
});

test("a sale is never paused under a crowd, on two processes, also when its shard recovers", async () => {
  const second = await startEngine(servers, { auditMs: AUDIT_MS });
  const before = await metric("doorbuster_audit_rounds_total");
  const saleId = await engine.sale(8_000);
  const double = await engine.sale(20_000, { userLimit: 2 });
  const sold = Promise.all([
    crowd(engine, saleId, [1, 4_200], 64),
    crowd(second, saleId, [3_801, 8_000], 64),
    ...[engine, second].map(async (at, side) => {
      for (let user = 1 + side * 400; user < 500 + side * 400; user += 1) {
        await at.grabSurely(double, user, `key ${user % 2}`);
      }
    }),
  ]);
  await until("half a sale", async () => Number((await engine.counters(saleId)).granted) > 4_000);
  await engine.redis.del(saleKeys(saleId).gate);
  await sold;
  // A busy machine may need longer for a round than for a crowd.
  const long = await engine.sale(100_000);
  for (let user = 1; (await metric("doorbuster_audit_rounds_total")) < before + 3; user += 500) {
    await crowd(second, long, [user, user + 499], 64);
  }
  const after = await metric("doorbuster_audit_rounds_total");
  await until(
    "more rounds",
    async () => (await metric("doorbuster_audit_rounds_total")) > after + 3,
    { withinMs: 40_000 },
  );
  for (const id of [saleId, double, long]) {
    expect((await engine.counters(id)).state).toBe("open");
    expect(await stateInMysql(id)).toBe("open");
    expect(findingsOf(id)).toEqual([]);
  }
  expect((await engine.counters(saleId)).granted).toBe("8000");
  expect((await latestRecovery(engine, saleId))?.reason).not.toBe("start");
});
