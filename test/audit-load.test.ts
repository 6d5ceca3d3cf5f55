// The audit beside a service that sells: it must never cry wolf, and must not be in the way.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { audit } from "../src/audit/audit.ts";
import { inspectNumbers } from "../src/audit/inspect.ts";
import { lookAtCounters } from "../src/audit/look.ts";
import { shards } from "../src/ledger/table.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { runAudit } from "./harness/cli.ts";
import { crowd, type Engine, startEngine } from "./harness/engine.ts";
import { testCodes } from "./harness/ledger.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

/** While all of these run, others grab. */
const AUDITS = 6;

let servers: { redisUrl: string; databaseUrl: string };
let engines: Engine[];

beforeAll(async () => {
  const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all([
    startRedis(),
    freshDatabase(),
  ]);
  servers = { redisUrl, databaseUrl };
  engines = [await startEngine(servers), await startEngine(servers)];
});
afterAll(stopEverything);

test("it finds nothing again and again while two processes sell", async () => {
  const [engine] = engines as [Engine, Engine];
  const single = await engine.sale(1_000_000);
  const double = await engine.sale(1_000_000, { userLimit: 3 });
  let [user, audits] = [0, 0];
  const sellOn = async (at: Engine) => {
    while (audits < AUDITS) {
      user += 1;
      await at.grabSurely(single, user);
      // Somebody else's turn as well, who may have come before.
      await at.grabSurely(double, Math.ceil(user / 2), `key ${user % 3}`);
    }
  };
  const sold = Promise.all(engines.flatMap((at) => Array.from({ length: 64 }, () => sellOn(at))));
  try {
    for (; audits < AUDITS; audits += 1) {
      // No pause before the second look: what is wrong at first sight has no time to come right.
      const report = await audit(engine, { secondLookMs: 0 });
      expect(report.findings).toEqual([]);
      for (const { granted, recorded, backlog } of report.sales) {
        expect(recorded + backlog).toBe(granted);
      }
      await lookClosely(engine, single);
    }
  } finally {
    audits = AUDITS;
    await sold;
  }
  expect(user).toBeGreaterThan(1_000);
  await until("all rows", async () => {
    const { sales, findings } = await audit(engine, { secondLookMs: 0 });
    expect(findings).toEqual([]);
    return sales.every(({ backlog }) => backlog === 0);
  });
});

/** What the audit's parts say at first sight, of the numbers that move just now: they need no second look. */
async function lookClosely(deps: Engine, saleId: number): Promise<void> {
  for (let look = 0; look < 20; look += 1) {
    const { faults, cut } = await lookAtCounters(deps, shardOf(saleId), [saleId]);
    expect([...faults.values()]).toEqual([]);
    const granted = cut.sales.get(saleId)?.granted ?? 0;
    const newest = Array.from({ length: Math.min(granted, 200) }, (_, i) => granted - i);
    expect(await inspectNumbers(deps, { id: saleId, userLimit: 1 }, newest)).toEqual([]);
  }
}

test("it says how much waits while MySQL is held up, and finds nothing wrong with that", async () => {
  const [engine] = engines as [Engine, Engine];
  const saleId = await engine.sale(100);
  await engine.pool.db.transaction(async (tx) => {
    await tx
      .select()
      .from(shards)
      .where(eq(shards.shard, shardOf(saleId)))
      .for("update");
    await crowd(engine, saleId, [1, 60]);
    const report = await audit(engine, { saleId, secondLookMs: 0 });
    expect(report.findings).toEqual([]);
    expect(report.sales).toMatchObject([{ granted: 60, recorded: 0, backlog: 60, winners: 60 }]);
  });
});

const MANY = 200_000;
const ROWS_PER_STATEMENT = 10_000;
/** A million may take 20 s and 300 MB. */
const SECONDS_MAX = 10;
const BYTES_MAX = 300 * 1024 * 1024;
const SLOW_MICROSECONDS = 20_000;
const TRIES = 6;

test("200,000 grants are compared in seconds and in little memory, and no command is slow", async () => {
  const [{ redis, pool, sale }] = engines as [Engine, Engine];
  const saleId = await sale(MANY);
  const keys = saleKeys(saleId);
  for (let from = 1; from <= MANY; from += ROWS_PER_STATEMENT) {
    const numbers = Array.from({ length: ROWS_PER_STATEMENT }, (_, i) => from + i);
    const list = JSON.stringify(numbers);
    await pool.db.execute(sql`INSERT INTO grants
      (sale_id, grant_no, user_id, user_slot, epoch, granted_at)
      SELECT ${saleId}, number, number + 5, 1, 1, '2027-01-01 00:00:00'
      FROM JSON_TABLE(${list}, '$[*]' COLUMNS (number BIGINT UNSIGNED PATH '$')) AS numbers`);
    const codes = numbers.map((number) => [
      ...[number, testCodes.codeOf("", saleId, number, number + 5)],
    ]);
    await pool.db.execute(sql`INSERT INTO coupons
      (code, user_id, sale_id, grant_no, template_id, granted_at)
      SELECT code, number + 5, ${saleId}, number, 1, '2027-01-01 00:00:00'
      FROM JSON_TABLE(${JSON.stringify(codes)}, '$[*]' COLUMNS (
        number BIGINT UNSIGNED PATH '$[0]', code VARCHAR(32) PATH '$[1]')) AS codes`);
    await redis.hset(keys.winners, ...numbers.flatMap((number) => [number + 5, number]));
  }
  await pool.db.execute(sql`UPDATE sales SET granted = ${MANY} WHERE id = ${saleId}`);
  await redis.hset(keys.sale, { granted: MANY, recorded: MANY });
  await redis.config("SET", "slowlog-log-slower-than", SLOW_MICROSECONDS);
  const tries: { seconds: number; peakBytes: number; slow: number }[] = [];
  const best = () => ({
    seconds: Math.min(...tries.map(({ seconds }) => seconds)) < SECONDS_MAX,
    memory: Math.min(...tries.map(({ peakBytes }) => peakBytes)) < BYTES_MAX,
    commands: Math.min(...tries.map(({ slow }) => slow)) === 0,
  });
  const isGood = () => Object.values(best()).every(Boolean);
  // A busy machine may stop Redis in the middle of a command; a command that is slow by itself is so each time.
  while (tries.length < TRIES && !isGood()) {
    await redis.call("SLOWLOG", "RESET");
    const startedAt = performance.now();
    const { code, report, peakBytes } = await runAudit(servers, "--sale", String(saleId));
    const seconds = (performance.now() - startedAt) / 1_000;
    expect({ code, findings: report.findings }).toEqual({ code: 0, findings: [] });
    expect(report.sales).toMatchObject([{ granted: MANY, recorded: MANY, winners: MANY }]);
    expect(peakBytes).toBeGreaterThan(10_000_000);
    tries.push({ seconds, peakBytes, slow: Number(await redis.call("SLOWLOG", "LEN")) });
  }
  expect({ ...best(), tries }).toMatchObject({ seconds: true, memory: true, commands: true });
});
