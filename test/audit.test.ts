// Each store is damaged in turn, on a sale of its own, after the service has stopped and nobody repairs anything.
// One audit over all of it must name each damage, and nothing else.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import type { AuditReport } from "../src/audit/audit.ts";
import { coupons } from "../src/coupons/table.ts";
import { openPool } from "../src/db/client.ts";
import { shardScripts } from "../src/grab/scripts.ts";
import { grants, shards } from "../src/ledger/table.ts";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { runAudit, runCli } from "./harness/cli.ts";
import { type Damage, damages, row, type Store, userOf, WINNERS } from "./harness/damages.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

/** They have a shard each, and nothing is sold there. */
const [AHEAD, DELETED, GATE, LEASE] = [12, 13, 14, 15] as const;

let servers: { redisUrl: string; databaseUrl: string };
let store: Store;
let report: AuditReport;
let code: number;
const saleIds = new Map<Damage, number>();
let trimmed: number;
let voided: number;
let waiting: number;
let replayed: number;

const onShard = async (engine: Engine, wanted: (shard: number) => boolean, limit = 1) => {
  for (;;) {
    const saleId = await engine.sale(1_000, { userLimit: limit });
    if (wanted(shardOf(saleId))) return saleId;
  }
};

/** Sells numbers 1 to 40 to the users 1001 to 1040, or, with a limit, each two in turn to one of twenty. */
async function sell(engine: Engine, saleId: number, limit = 1): Promise<void> {
  if (limit === 1) {
    const told = [];
    for (let number = 1; number <= WINNERS; number += 1) {
      told.push(...(await crowd(engine, saleId, [1_000 + number, 1_000 + number])));
    }
    return untilRows(engine, saleId, told);
  }
  for (let number = 1; number <= WINNERS; number += 1) {
    const user = 1_000 + Math.ceil(number / 2);
    await engine.grabSurely(saleId, user, number % 2 === 1 ? "a" : "b");
  }
  await until("all rows", async () => (await recordedOf(engine.redis, saleId)) === WINNERS);
}

const recordedOf = async (redis: Redis, saleId: number): Promise<number> =>
  Number(await redis.hget(saleKeys(saleId).sale, "recorded"));

/** A grab past the service, which has stopped. */
async function grabAlone({ redis, db }: Store, saleId: number, users: string[]): Promise<void> {
  const shard = shardOf(saleId);
  const [at] = await db.select().from(shards).where(eq(shards.shard, shard));
  const { sha } = shardScripts(at?.incarnation ?? "").grab;
  const keys = saleKeys(saleId);
  const args = users.flatMap((user) => [user, ""]);
  const all = [keys.gate, keys.sale, keys.winners, keys.ledger, keys.unrecorded];
  await redis.evalsha(sha, 5, ...all, at?.epoch ?? 0, 1_000, saleId, ...args);
}

async function damageShards({ redis, db }: Store): Promise<void> {
  const of = (shard: number) => saleKeys(shard);
  await db.update(shards).set({ lastId: "9999999999999-0" }).where(eq(shards.shard, AHEAD));
  await redis.del(of(DELETED).ledger);
  await redis.hset(of(GATE).gate, "state", "closed");
  await db
    .update(shards)
    .set({ leaseOwner: "nobody", leaseUntil: new Date(Date.now() + 3_600_000) })
    .where(eq(shards.shard, LEASE));
}

beforeAll(async () => {
  const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all([
    startRedis(),
    freshDatabase(),
  ]);
  servers = { redisUrl, databaseUrl };
  const engine = await startEngine(servers);
  // Few shards: each that has a damaged sale takes a second look.
  const quiet = (shard: number) => shard < 3;
  for (const damage of damages) {
    const saleId = await onShard(engine, quiet, damage.limit);
    saleIds.set(damage, saleId);
    await sell(engine, saleId, damage.limit);
  }
  trimmed = await onShard(engine, (shard) => shard === AHEAD - 1);
  voided = await onShard(engine, quiet);
  waiting = await onShard(engine, quiet);
  replayed = await onShard(engine, quiet);
  for (const saleId of [trimmed, voided, waiting, replayed]) await sell(engine, saleId);
  await engine.stop();
  const redis = connectRedis(redisUrl, "reads", createLog("silent"));
  const pool = openPool(databaseUrl, 2);
  stopLater(async () => {
    redis.disconnect();
    await pool.close();
  });
  await until("Redis", () => redis.status === "ready");
  store = { redis, db: pool.db };
  for (const [damage, saleId] of saleIds) await damage.hurt(store, saleId);
  await grabAlone(store, waiting, ["2001", "2002"]);
  await grabAlone(store, replayed, ["2001", "2002"]);
  await redis.hset(saleKeys(replayed).sale, "recorded", WINNERS + 2);
  await grabAlone(store, trimmed, ["2001", "2002"]);
  await grabAlone(store, trimmed, ["2003"]);
  const { ledger } = saleKeys(trimmed);
  await redis.xtrim(ledger, "MAXLEN", "=", 1);
  await store.db
    .update(grants)
    .set({ userId: 0, userSlot: null, returnedAt: new Date(), state: "void" })
    .where(row(voided, 3));
  await redis.hdel(saleKeys(voided).winners, userOf(3));
  await store.db.delete(coupons).where(and(eq(coupons.saleId, voided), eq(coupons.grantNo, 3)));
  await redis.hset(saleKeys(voided).sale, "returned", 1);
  await store.db.update(sales).set({ returned: 1 }).where(eq(sales.id, voided));
  await damageShards(store);
  ({ code, report } = await runAudit(servers));
});
afterAll(stopEverything);

const kindsOf = (saleId: number) =>
  report.findings
    .filter((finding) => finding.saleId === saleId)
    .map(({ kind, numbers }) => [kind, ...numbers].join(" "));
const ofSale = (saleId: number) => report.sales.find(({ sale }) => sale === saleId);
const shardKinds = (shard: number) =>
  report.findings
    .filter((finding) => finding.shard === shard && finding.saleId === undefined)
    .map(({ kind }) => kind);

describe("the audit names what is wrong, when", () => {
  test.each(damages.map((damage) => [damage.what, damage] as const))("%s", (_, damage) => {
    const saleId = saleIds.get(damage) ?? 0;
    expect(new Set(kindsOf(saleId))).toEqual(new Set(damage.found.map((found) => found.join(" "))));
    expect(ofSale(saleId)?.findings).toBe(damage.found.length);
  });

  test("the stream is trimmed before it was read", () => {
    expect(kindsOf(trimmed)).toEqual(["number_missing 41 42"]);
    expect(shardKinds(shardOf(trimmed))).toEqual(["stream"]);
    expect(ofSale(trimmed)).toMatchObject({ granted: 43, recorded: 40, backlog: 1 });
  });

  test.each([
    ["the cursor is beyond the stream's end", AHEAD, "stream"],
    ["the stream is deleted", DELETED, "stream"],
    ["the gate is closed and nobody opens it", GATE, "gate"],
    ["the lease belongs to nobody", LEASE, "lease"],
  ] as const)("%s", (_, shard, kind) => {
    expect(shardKinds(shard)).toEqual([kind]);
  });
});

test("a void is no finding, and is counted", () => {
  expect(kindsOf(voided)).toEqual([]);
  expect(ofSale(voided)).toMatchObject({ granted: 40, returned: 1, voids: 1, recorded: 40 });
});

test("grants that wait in the stream are the backlog, and no finding", () => {
  expect(kindsOf(waiting)).toEqual([]);
  expect(ofSale(waiting)).toMatchObject({ granted: 42, recorded: 40, backlog: 2, winners: 42 });
});

test("what a restored MySQL does not have any more, and the stream still has, is no finding", () => {
  expect(kindsOf(replayed)).toEqual([]);
  expect(ofSale(replayed)).toMatchObject({ granted: 42, recorded: 40, backlog: 2 });
});

test("it ends with 1, and for a sale that is in order with 0", async () => {
  expect(code).toBe(1);
  const [[, sound = 0] = []] = saleIds;
  const { code: alone, report: ofOne } = await runAudit(servers, "--sale", String(sound));
  expect({ alone, findings: ofOne.findings }).toEqual({ alone: 0, findings: [] });
  expect(ofOne.sales).toHaveLength(1);
});

describe("it could not run, says what to do and ends with 2, when", () => {
  test.each([
    ["no server is named", undefined, ["audit", "--data", "/nowhere"], /npm start/],
    [
      "Redis is away",
      () => ({ ...servers, redisUrl: "redis://127.0.0.1:1" }),
      ["audit"],
      /Redis.*does not answer/,
    ],
    [
      "MySQL is away",
      () => ({ ...servers, databaseUrl: "mysql://root@127.0.0.1:1/none" }),
      ["audit"],
      /MySQL.*does not answer/,
    ],
    ["there is no such sale", () => servers, ["audit", "--sale", "999999"], /no sale 999999/],
    ["a sale is no number", () => servers, ["audit", "--sale", "x"], /number of a sale/],
    ["an option does not exist", () => servers, ["audit", "--nonsense"], /unknown option/],
  ] as const)("%s", async (_, at, words, says) => {
    const { code: end, output } = await runCli(at?.(), ...words);
    expect(output).toMatch(says);
    expect(end).toBe(2);
  });
});

test("for people it prints a table and each finding with its sale and numbers", async () => {
  const [, saleId] = [...saleIds].find(([{ what }]) => what === "a row is deleted") ?? [];
  const { code: end, output } = await runCli(servers, "audit", "--sale", String(saleId));
  expect(end).toBe(1);
  expect(output).toMatch(/recorded.*backlog/);
  expect(output).toMatch(new RegExp(`sale ${saleId} .*number 7 is neither in MySQL nor`));
});
